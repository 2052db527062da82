"""The sentences around the personal data and the look-alikes: what customers write to their bank."""

import random
import string
from collections.abc import Callable

from bench.gateway.privacy_items import (
    Item,
    Rng,
    card,
    digits,
    full_width,
    grouped,
    iban,
    invisible,
    luhn_digit,
    obfuscated,
    routing,
    ssn,
)

# {} is where the value stands
CARD = (
    "My card {} was declined at the petrol station.",
    "Please block {} right away, I lost it on the train.",
    "card:{}",
    '{{"{}": "stolen"}}',
    '{{"pan": "{}", "amount": 12}}',
    "Why was {} charged twice?",
    "Is {} a valid debit card? It expires 09/27.",
    "I typed {}, then 123 and it still failed",
    "Visa {} please",
    "({})",
    "PAN={};exp=0928",
)
IBAN = (
    "Send 250 EUR to {} today.",
    "My IBAN is {}.",
    "Can I change the standing order for {}?",
    "iban:{}",
    '{{"{}": 100.0}}',
    "From {} to my savings, please.",
)
ACCOUNT = (
    "My account number is {}.",
    "account no. {}",
    "Acct #{} shows the wrong balance",
    "Please close my savings account {} this week.",
    "transfer 200 pounds to a/c {}",
    "{} is my account number, what is the balance?",
    "Account: {}",
    "My checking account at your branch, {}, is locked.",
    "The number of my current account is {}",
    "account number and sort code are {} and below",
    '{{"account_number": "{}"}}',
)
SORT_CODE = (
    "The sort code is {}.",
    "sort code: {}",
    "My branch has sort code {} I think",
    "sortcode {}",
    "{} is the sort code of my branch",
    '{{"sortCode": "{}"}}',
)
ROUTING = (
    "Routing number {}.",
    "The ABA routing number is {}, correct?",
    "ABA {}",
    "routing #: {}",
    "What bank has RTN {}?",
    "Is {} the routing number for wires?",
)
CVV = (
    "The CVV is {}.",
    "cvv {}",
    "CVC: {}",
    "security code {} on the back",
    "My CVV2 number is {} and it is refused",
    "The three digits: {} is my cvc code",
    '{{"cvv": "{}"}}',
)
PIN = (
    "My PIN is {}.",
    "pin: {}",
    "I forgot whether the PIN code is {}",
    "Please change my PIN to {}",
    "the ATM refused my pin {}",
    "{} is my PIN, is it safe?",
    '{{"pin": "{}"}}',
)
EMAIL = (
    "Write to {} please.",
    "My e-mail is {}",
    "email:{}",
    "Send the statement to {}, thanks",
    '{{"{}": true}}',
    "<{}>",
)
PHONE = (
    "Call me at {}.",
    "My phone number is {}",
    "My new mobile is {}, please update it.",
    "tel:{}",
    "Reach me on {} after six",
    "Text {} when the card is ready",
)
SSN = ("My SSN is {}.", "social security number: {}", "ssn {}", "Is {} really my social?", "SSN#{} for the loan form")


def _item(rng: Rng, kind: str | None, frames: tuple[str, ...], value: str) -> Item:
    before, after = rng.choice(frames).replace("{{", "\0").replace("}}", "\1").split("{}")
    swap = str.maketrans({"\0": "{", "\1": "}"})
    return Item(kind, before.translate(swap), value, after.translate(swap))


def _card(rng: Rng) -> Item:
    number = card(rng)
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(len(number), ())
    written = " ".join(number) if rng.random() < 0.05 else grouped(rng, number, sizes)
    return _item(rng, "CARD", CARD, obfuscated(rng, written))


def _iban(rng: Rng) -> Item:
    number = iban(rng)
    written = number.lower() if rng.random() < 0.2 else grouped(rng, number)
    return _item(rng, "IBAN", IBAN, obfuscated(rng, written))


def _account(rng: Rng) -> Item:
    number = digits(rng, rng.choice([8, 8, 8, 9, 10, 12, 6]))
    written = f"{number[:4]} {number[4:]}" if rng.random() < 0.2 else number
    return _item(rng, "ACCOUNT", ACCOUNT, obfuscated(rng, written))


def _sort_code(rng: Rng) -> Item:
    parts = [f"{rng.randrange(100):02d}" for _ in range(3)]
    return _item(rng, "SORT_CODE", SORT_CODE, obfuscated(rng, rng.choice(["-", " ", "", "-"]).join(parts)))


def _routing(rng: Rng) -> Item:
    return _item(rng, "ROUTING", ROUTING, obfuscated(rng, routing(rng)))


def _cvv(rng: Rng) -> Item:
    return _item(rng, "CVV", CVV, obfuscated(rng, digits(rng, rng.choice([3, 3, 4]))))


def _pin(rng: Rng) -> Item:
    number = digits(rng, rng.choice([4, 4, 4, 6, 5]))
    return _item(rng, "PIN", PIN, obfuscated(rng, " ".join(number) if rng.random() < 0.1 else number))


def _email(rng: Rng) -> Item:
    name = rng.choice(["anna", "j.smith", "o_brien", "li+bank", "maria-lopez", "x99"]) + digits(rng, 2)
    host, top = rng.choice(["example", "mail.example", "my-bank"]), rng.choice(["com", "org", "co.uk", "de", "io"])
    address = f"{name}@{host}.{top}"
    spelled = f"{name} {{}} {host} {{}} {top}".replace(".", " {1} ")
    written = [
        address,
        address.upper(),
        full_width(address),
        invisible(rng, address),
        spelled.replace("{1}", "{}").replace("{}", "(at)", 1).replace("{}", "(dot)"),
        spelled.replace("{1}", "{}").replace("{}", "[at]", 1).replace("{}", "[dot]"),
    ]
    if "." in name:
        written = written[:4]
    return _item(rng, "EMAIL", EMAIL, rng.choice(written))


def _phone(rng: Rng) -> Item:
    area, office, line = (
        rng.choice("23456789") + digits(rng, 2),
        rng.choice("23456789") + digits(rng, 2),
        digits(rng, 4),
    )
    mobile = f"07{rng.choice('45789')}{digits(rng, 2)} {digits(rng, 6)}"
    written = [
        f"({area}) {office}-{line}",
        f"{area}-{office}-{line}",
        f"{area}.{office}.{line}",
        f"{area} {office} {line}",
        f"+1 {area} {office} {line}",
        f"+1-{area}-{office}-{line}",
        f"1-{area}-{office}-{line}",
        f"{area}{office}{line}",
        f"+1{area}{office}{line}",
        mobile,
        mobile.replace(" ", ""),
        f"+44 {mobile[1:]}",
        f"+44 (0){mobile[1:]}",
        f"020 7{digits(rng, 3)} {digits(rng, 4)}",
        f"+49 30 {digits(rng, 7)}",
        f"+33 6 {' '.join(digits(rng, 2) for _ in range(4))}",
        f"0049 30 {digits(rng, 7)}",
    ]
    return _item(rng, "PHONE", PHONE, obfuscated(rng, rng.choice(written)))


def _ssn(rng: Rng) -> Item:
    return _item(rng, "SSN", SSN, obfuscated(rng, rng.choice(["-", "-", " ", "", "."]).join(ssn(rng))))


PERSONAL: tuple[Callable[[Rng], Item], ...] = (
    _card, _iban, _account, _sort_code, _routing, _cvv, _pin, _email, _phone, _ssn,
)  # fmt: skip


def _wrong_card(rng: Rng) -> tuple[str, str]:
    number = card(rng)
    wrong = number[:-1] + str((int(number[-1]) + rng.randrange(1, 10)) % 10)
    return rng.choice(CARD[:9]), grouped(rng, wrong, {15: (4, 6, 5), 14: (4, 6, 4)}.get(len(wrong), ()))


def _wrong_iban(rng: Rng) -> tuple[str, str]:
    return rng.choice(IBAN[:5]), grouped(rng, iban(rng, rng.randrange(1, 97)))


def _wrong_routing(rng: Rng) -> tuple[str, str]:
    return rng.choice(ROUTING), routing(rng, wrong=True)


def _amount(rng: Rng) -> tuple[str, str]:
    value = rng.choice([9, 99, 999, 9_999, 99_999, 9_999_999, 999_999_999]) * rng.random() + 1
    written = rng.choice([f"{value:,.2f}", f"{value:.2f}", f"{value:,.0f}", f"{value:.0f}"])
    frames = (
        "I paid ${} for dinner.", "Transfer {} euros to my savings account", "My account balance is {} USD",
        "Why was my account charged {} dollars?", "My card limit is {} GBP", "I deposited ${} into account yesterday",
        "The loan is £{} over 30 years at 4.5%", "Fees: €{}; rate 3.25 %", "Phone bill of ${}",
    )  # fmt: skip
    return rng.choice(frames), written


def _date(rng: Rng) -> tuple[str, str]:
    year, month, day = rng.randrange(1950, 2031), rng.randrange(1, 13), rng.randrange(1, 29)
    hour, minute = rng.randrange(24), rng.randrange(60)
    written = [
        f"{year}-{month:02d}-{day:02d}", f"{day:02d}/{month:02d}/{year}", f"{day:02d}.{month:02d}.{year}",
        f"{day:02d}-{month:02d}-{year % 100:02d}", f"{year}{month:02d}{day:02d}", str(year),
        f"{year}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:00Z", f"{hour:02d}:{minute:02d}",
        f"{year}{month:02d}{day:02d}{hour:02d}{minute:02d}00", f"{month:02d}/{year % 100:02d}",
    ]  # fmt: skip
    frames = (
        "I opened my account on {}.", "My card expires {}", "The payment of {} is missing", "I changed my PIN in {}",
        "Statement dated {}", "It happened at {}, I called the bank", "I have had this account since {}",
    )  # fmt: skip
    return rng.choice(frames), rng.choice(written)


def _reference(rng: Rng) -> tuple[str, str]:
    letters = "".join(rng.choices(string.ascii_uppercase, k=3))
    number = digits(rng, rng.choice([6, 7, 8, 9, 10, 12]))
    written = [
        number,
        f"{letters}-{number}",
        f"{letters}{number}",
        f"{number}-{digits(rng, 2)}",
        f"{digits(rng, 3)}/{number}",
    ]
    frames = (
        "Order {} has not arrived.", "The reference number is {}", "Invoice {} was paid twice", "ticket #{}",
        "Case {} is still open", "Tracking number {}", "Transaction ID {} on my statement is unknown",
        "My account statement shows reference {}", "confirmation {}", "Your policy document {} says otherwise",
    )  # fmt: skip
    return rng.choice(frames), rng.choice(written)


def _long_number(rng: Rng) -> tuple[str, str]:
    body = rng.choice("1789") + digits(rng, rng.choice([11, 14, 15, 17]))
    wrong = body + str((int(luhn_digit(body)) + rng.randrange(1, 10)) % 10)
    written = [
        wrong,
        digits(rng, 22),
        f"17{digits(rng, 11)}",
        f"{rng.getrandbits(128):032x}",
        f"0x{rng.getrandbits(64):016x}",
    ]
    frames = ("Order {} has not arrived.", "The barcode says {}", "log line {} end", "Tracking number {}", "id={}")
    return rng.choice(frames), rng.choice(written)


def _version(rng: Rng) -> tuple[str, str]:
    a, b, c, d = (rng.randrange(256) for _ in range(4))
    written = [f"{a % 20}.{b}.{c}", f"{a}.{b}.{c}.{d}", f"v{a % 9}.{b % 20}", f"{a % 9}.{b}.{c}-rc{d % 9}"]
    frames = (
        "Your app version {} crashes.",
        "I use build {}",
        "Android {} and your app",
        "The server {} does not answer",
    )
    return rng.choice(frames), rng.choice(written)


def _no_phone(rng: Rng) -> tuple[str, str]:
    written = [
        f"{digits(rng, 1)},{digits(rng, 3)},{digits(rng, 3)}", f"+{rng.randrange(1, 100)}%", f"+{digits(rng, 4)}",
        f"{digits(rng, 3)} {digits(rng, 3)} {digits(rng, 3)}", f"1{digits(rng, 2)}-{digits(rng, 3)}-{digits(rng, 4)}",
        f"{digits(rng, 4)}-{digits(rng, 4)}", f"{digits(rng, 10)}", "24/7, 365",
    ]  # fmt: skip
    frames = ("The company made {} last year.", "Item {} is on my statement", "The total came to {}", "Form {} please")
    return rng.choice(frames), rng.choice(written)


def _no_ssn(rng: Rng) -> tuple[str, str]:
    area = rng.choice(["000", "666", f"{rng.randrange(900, 1000)}"])
    written = [
        f"{area}-{digits(rng, 2)}-{digits(rng, 4)}",
        f"{digits(rng, 3)}-00-{digits(rng, 4)}",
        f"{digits(rng, 3)}-{digits(rng, 2)}-0000",
    ]
    return rng.choice(("Part {} is missing", "Form {} please", "My SSN is not {}")), rng.choice(written)


def _no_code(rng: Rng) -> tuple[str, str]:
    frames = (
        "The PIN was refused {} times", "A CVV has {} digits", "My PIN stopped working in {}", "pin blocked, error {}",
        "sort code checker, page {}", "Your security code page shows error {}", "My account lost {} points",
        "It is {} and my pin is blocked", "My account at branch {}", "I have {} in my account", "Press {} for accounts",
        "Send {} to my account", "Room {} next to the ATM",
    )  # fmt: skip
    return rng.choice(frames), rng.choice(["3", "4", "404", "500", "2024", "1999", digits(rng, 3), digits(rng, 4)])


def _no_email(rng: Rng) -> tuple[str, str]:
    written = [
        "@bank",
        "anna@home",
        "3 @ 5 dollars",
        "me at the branch",
        "@jsmith_99",
        "a@b",
        "look at dot points",
        "1@2.3",
    ]
    return rng.choice(("I saw {} yesterday", "Is {} right?", "Please look: {}")), rng.choice(written)


def _words(rng: Rng) -> tuple[str, str]:
    written = [
        "a new card",
        "two accounts",
        "24 hours",
        "4 people",
        "USD 50",
        "401k",
        "W-2",
        "1099-INT",
        "3D Secure",
        "ISO 20022",
    ]
    frames = (
        "How do I get {}?",
        "Do you offer {} for account holders?",
        "What does {} mean for my pin?",
        "Form {} please",
    )
    return rng.choice(frames), rng.choice(written)


LOOK_ALIKES: tuple[Callable[[Rng], tuple[str, str]], ...] = (
    _wrong_card, _wrong_iban, _wrong_routing, _amount, _date, _reference, _long_number, _version, _no_phone, _no_ssn,
    _no_code, _no_email, _words,
)  # fmt: skip


def personal(seed: int, count: int) -> list[Item]:
    """`count` texts with one piece of personal data each, the kinds in turn."""
    rng = random.Random(seed)
    return [PERSONAL[place % len(PERSONAL)](rng) for place in range(count)]


def look_alikes(seed: int, count: int) -> list[Item]:
    """`count` texts without any, the kinds in turn."""
    rng = random.Random(seed)
    items = []
    for place in range(count):
        frame, value = LOOK_ALIKES[place % len(LOOK_ALIKES)](rng)
        items.append(_item(rng, None, (frame,), value))
    return items
