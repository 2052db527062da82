"""What looks like personal data and is none, in sentences that customers write to their bank."""

import random
import string
from collections.abc import Callable

from bench.gateway.privacy_items import PASTED, TYPED, Item, Rng, card, digits, grouped, iban, luhn_digit, routing
from bench.gateway.privacy_sentences import CARD, IBAN, ROUTING, item_of


def _wrong_card(rng: Rng) -> tuple[str, str]:
    number = card(rng)
    wrong = number[:-1] + str((int(number[-1]) + rng.randrange(1, 10)) % 10)
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(len(wrong), ())
    return rng.choice((*CARD[:9], *CARD[-3:])), grouped(rng, wrong, sizes, rng.choice((PASTED, TYPED)))


def _fours(rng: Rng) -> tuple[str, str]:
    """Four digits several times; every tenth four of them that begin like a card have a right Luhn digit."""
    separator = rng.choice([", ", "; ", " / ", ",", " + ", "\n", " "])
    frames = (
        "Orders {} have not arrived.", "I need forms {}", "invoices {} were paid twice", "Steps a day: {}",
        "Which of {} is the right branch?", "ref {} please", "Exp 09/27, points: {}",
    )  # fmt: skip
    return rng.choice(frames), separator.join(digits(rng, 4) for _ in range(rng.randrange(3, 7)))


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
        "Send {} to my account", "Room {} next to the ATM", "PIN vergessen {}?", "Mein Konto hat {} Euro",
        "Mi cuenta es de {}", "Ma carte a \u00e9t\u00e9 refus\u00e9e {} fois, PIN correct", "Ho {} euro sul conto",
        "Mijn pin werkt sinds {} niet", "Konto od {} roku", "A minha conta tem {} euros",
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
    _wrong_card, _fours, _wrong_iban, _wrong_routing, _amount, _date, _reference, _long_number, _version, _no_phone,
    _no_ssn, _no_code, _no_email, _words,
)  # fmt: skip


def look_alikes(seed: int, count: int) -> list[Item]:
    """`count` texts without any, the kinds in turn."""
    rng = random.Random(seed)
    items = []
    for place in range(count):
        frame, value = LOOK_ALIKES[place % len(LOOK_ALIKES)](rng)
        items.append(item_of(rng, None, (frame,), value))
    return items
