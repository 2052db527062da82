"""Seeded personal data as customers write it, and look-alikes of it; made from the formats' public definitions.

Card numbers: ISO/IEC 7812 and the schemes' ranges. IBAN: ISO 13616's registry. Routing numbers: ABA's checksum.
SSN: the SSA's rules. Telephone numbers: E.164, the North American plan, Ofcom's ranges.
Nothing here is taken from the recognisers.
"""

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

Rng = random.Random


@dataclass(frozen=True)
class Item:
    """`before` + `value` + `after` is the text; `kind` is None where nothing of it is personal data."""

    kind: str | None
    before: str
    value: str
    after: str

    @property
    def text(self) -> str:
        """What the customer writes."""
        return self.before + self.value + self.after


def digits(rng: Rng, count: int) -> str:
    """`count` random digits, the first not 0."""
    return rng.choice("123456789") + "".join(rng.choices(string.digits, k=count - 1))


def luhn_digit(body: str) -> str:
    """The last digit that makes `body` + digit a number of ISO/IEC 7812-1 annex B."""
    total = 0
    for place, character in enumerate(reversed(body)):
        doubled = int(character) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return str(-total % 10)


# prefixes and length by scheme
SCHEMES: tuple[tuple[tuple[str, ...], int], ...] = (
    (("4",), 16),
    (("4",), 13),
    (("51", "52", "53", "54", "55", "2221", "2345", "2699", "2720"), 16),
    (("34", "37"), 15),
    (("6011", "644", "649", "65", "622126", "622925"), 16),
    (("300", "305", "36", "38"), 14),
    (("3528", "3589"), 16),
    (("62",), 17),
    (("62",), 19),
    (("6759", "5018", "6304"), 18),
)


def card(rng: Rng) -> str:
    """A card number that its scheme could have given out."""
    prefixes, length = rng.choice(SCHEMES)
    prefix = rng.choice(prefixes)
    body = prefix + "".join(rng.choices(string.digits, k=length - len(prefix) - 1))
    return body + luhn_digit(body)


# structure of the BBAN in the registry's letters: n digits, a capital letters, c both
BBANS = {
    "GB": "4a14n",
    "DE": "18n",
    "FR": "10n11c2n",
    "ES": "20n",
    "IT": "1a10n12c",
    "NL": "4a10n",
    "BE": "12n",
    "CH": "5n12c",
    "AT": "16n",
    "IE": "4a14n",
    "PT": "21n",
    "PL": "24n",
    "SE": "20n",
    "NO": "11n",
    "DK": "14n",
    "FI": "14n",
    "AE": "19n",
    "SA": "2n18c",
    "TR": "5n1n16c",
    "MT": "4a5n18c",
    "BR": "23n1a1c",
    "KW": "4a22c",
}
LETTERS = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}


def iban(rng: Rng, wrong_by: int = 0) -> str:
    """An IBAN whose check digits are off by `wrong_by`."""
    country = rng.choice(sorted(BBANS))
    bban, count = "", ""
    for character in BBANS[country]:
        if character.isdigit():
            count += character
        else:
            bban += "".join(rng.choices(LETTERS[character], k=int(count)))
            count = ""
    number = "".join(str(int(character, 36)) for character in bban + country + "00")
    check = 98 - int(number) % 97
    return f"{country}{(check - 2 + wrong_by) % 97 + 2:02d}{bban}"


def routing(rng: Rng, wrong: bool = False) -> str:
    """A routing transit number: a Federal Reserve prefix, weights 3, 7, 1."""
    body = f"{rng.choice([*range(1, 13), *range(21, 33)]):02d}" + "".join(rng.choices(string.digits, k=6))
    check = -sum(int(digit) * weight for digit, weight in zip(body, (3, 7, 1, 3, 7, 1, 3, 7), strict=True)) % 10
    return body + str((check + wrong * rng.randrange(1, 10)) % 10)


def ssn(rng: Rng) -> tuple[str, str, str]:
    """Area not 000, 666 or 9xx, group not 00, serial not 0000."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03d}", f"{rng.randrange(1, 100):02d}", f"{rng.randrange(1, 10_000):04d}"


ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
SPACES = ("\u00a0", "\u2007", "\u2009", "\u202f", "\u3000")
DASHES = ("\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2212", "\uff0d")
# the zeros of scripts that customers' keyboards have: full width, Arabic, Persian, Devanagari, Bengali, bold
DIGIT_ZEROS = (0xFF10, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x1D7CE)


def foreign_digits(rng: Rng, text: str) -> str:
    """The same digits in another script."""
    zero = rng.choice(DIGIT_ZEROS)
    return "".join(chr(zero + int(c)) if c in string.digits else c for c in text)


def full_width(text: str) -> str:
    """The same characters as East Asian keyboards write them."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def invisible(rng: Rng, text: str) -> str:
    """Characters without width between some of the others."""
    return text[0] + "".join(rng.choice(ZERO_WIDTH) * (rng.random() < 0.4) + c for c in text[1:])


def other_separators(rng: Rng, text: str) -> str:
    """Spaces and dashes that are not ASCII's."""
    space, dash = rng.choice(SPACES), rng.choice(DASHES)
    return text.replace(" ", space).replace("-", dash)


def obfuscated(rng: Rng, text: str) -> str:
    """As it is three times of five; else in another script, with invisible characters or with other separators."""
    changes: list[Callable[[], str]] = [
        lambda: foreign_digits(rng, text),
        lambda: full_width(text),
        lambda: invisible(rng, text),
        lambda: other_separators(rng, text),
    ]
    return text if rng.random() < 0.6 else rng.choice(changes)()


TYPED = ("", " ", "-", " ", ".", "  ", " - ")
# columns, lists, forms, Markdown and HTML
PASTED = ("    ", "\t\t", ";", "+", ")(", "** **", "<br>", "&nbsp;", "\n> ")


def grouped(rng: Rng, text: str, sizes: tuple[int, ...] = (), separators: tuple[str, ...] = TYPED) -> str:
    """`text` in groups of `sizes`, then of four, between one of `separators`."""
    separator = rng.choice(separators)
    groups, rest, left = [], text, list(sizes)
    while rest:
        size = left.pop(0) if left else 4
        groups.append(rest[:size])
        rest = rest[size:]
    return separator.join(groups)
