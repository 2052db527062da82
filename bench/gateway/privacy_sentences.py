"""The sentences around the personal data: what customers write to their bank."""

import random
from collections.abc import Callable

from bench.gateway.privacy_items import (
    PASTED,
    TYPED,
    Item,
    Rng,
    card,
    digits,
    full_width,
    grouped,
    iban,
    invisible,
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
    "Exp 09/27 {}",
    "Please refund 20 {}",
    "{} 12/27 123 was refused",
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
    "Meine Kontonummer ist {}",
    "mi cuenta {} est\u00e1 bloqueada",
    "mon num\u00e9ro de compte est {}.",
    "il mio conto \u00e8 {}",
    "a minha conta \u00e9 {}",
    "rekeningnummer: {}",
    "{} to m\u00f3j numer konta",
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
    "Die Kartenpr\u00fcfnummer ist {}",
    "el c\u00f3digo de seguridad es {}",
    "Le cryptogramme est {}",
)
PIN = (
    "My PIN is {}.",
    "pin: {}",
    "I forgot whether the PIN code is {}",
    "Please change my PIN to {}",
    "the ATM refused my pin {}",
    "{} is my PIN, is it safe?",
    '{{"pin": "{}"}}',
    "Meine PIN ist {}",
    "mi PIN es {}",
    "mon code secret est {}, merci",
    "il mio PIN \u00e8 {}",
    "a minha senha \u00e9 {}",
    "mijn pincode is {}",
    "m\u00f3j PIN to {}",
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
    "Meine Telefonnummer ist {}",
    "mi m\u00f3vil es {}",
    "num\u00e9ro de t\u00e9l\u00e9phone : {}",
)
SSN = ("My SSN is {}.", "social security number: {}", "ssn {}", "Is {} really my social?", "SSN#{} for the loan form")


def item_of(rng: Rng, kind: str | None, frames: tuple[str, ...], value: str) -> Item:
    """The value in one of the frames: `{}` is where it stands, doubled braces are braces."""
    before, after = rng.choice(frames).replace("{{", "\0").replace("}}", "\1").split("{}")
    swap = str.maketrans({"\0": "{", "\1": "}"})
    return Item(kind, before.translate(swap), value, after.translate(swap))


def _card(rng: Rng) -> Item:
    number = card(rng)
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(len(number), ())
    separators = PASTED if rng.random() < 0.2 else TYPED
    written = " ".join(number) if rng.random() < 0.05 else grouped(rng, number, sizes, separators)
    return item_of(rng, "CARD", CARD, obfuscated(rng, written))


def _iban(rng: Rng) -> Item:
    number = iban(rng)
    written = number.lower() if rng.random() < 0.2 else grouped(rng, number)
    return item_of(rng, "IBAN", IBAN, obfuscated(rng, written))


def _account(rng: Rng) -> Item:
    number = digits(rng, rng.choice([8, 8, 8, 9, 10, 12, 6]))
    written = f"{number[:4]} {number[4:]}" if rng.random() < 0.2 else number
    return item_of(rng, "ACCOUNT", ACCOUNT, obfuscated(rng, written))


def _sort_code(rng: Rng) -> Item:
    parts = [f"{rng.randrange(100):02d}" for _ in range(3)]
    return item_of(rng, "SORT_CODE", SORT_CODE, obfuscated(rng, rng.choice(["-", " ", "", "-"]).join(parts)))


def _routing(rng: Rng) -> Item:
    return item_of(rng, "ROUTING", ROUTING, obfuscated(rng, routing(rng)))


def _cvv(rng: Rng) -> Item:
    return item_of(rng, "CVV", CVV, obfuscated(rng, digits(rng, rng.choice([3, 3, 4]))))


def _pin(rng: Rng) -> Item:
    number = digits(rng, rng.choice([4, 4, 4, 6, 5]))
    return item_of(rng, "PIN", PIN, obfuscated(rng, " ".join(number) if rng.random() < 0.1 else number))


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
    return item_of(rng, "EMAIL", EMAIL, rng.choice(written))


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
    return item_of(rng, "PHONE", PHONE, obfuscated(rng, rng.choice(written)))


def _ssn(rng: Rng) -> Item:
    return item_of(rng, "SSN", SSN, obfuscated(rng, rng.choice(["-", "-", " ", "", "."]).join(ssn(rng))))


PERSONAL: tuple[Callable[[Rng], Item], ...] = (
    _card, _iban, _account, _sort_code, _routing, _cvv, _pin, _email, _phone, _ssn,
)  # fmt: skip


def personal(seed: int, count: int) -> list[Item]:
    """`count` texts with one piece of personal data each, the kinds in turn."""
    rng = random.Random(seed)
    return [PERSONAL[place % len(PERSONAL)](rng) for place in range(count)]
