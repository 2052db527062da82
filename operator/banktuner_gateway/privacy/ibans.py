"""Finds IBANs (ISO 13616): a country of the registry with its length, and check digits that hold modulo 97."""

import re
from collections.abc import Iterator

from banktuner_gateway.privacy.spans import LONGEST, Span

# length by country, of the registry that SWIFT keeps
LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20,
    "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19,
    "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24,
    "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
    "YE": 30,
}  # fmt: skip
BEGINNING = re.compile(r"(?:(?<![^\W_])|(?<=iban))([a-z]{2})[\s.\-_/]{0,3}[0-9][\s.\-_/]{0,3}[0-9]", re.IGNORECASE)
GAP = r"[\s.,:;\-_/|*+()]{0,8}"
"""What may stand between an IBAN's characters."""
NEXT = re.compile(rf"{GAP}([0-9A-Za-z])")


def find_ibans(text: str) -> Iterator[Span]:
    """Every IBAN; letters of either case, separators anywhere after the country."""
    for match in BEGINNING.finditer(text):
        length = LENGTHS.get(match.group(1).upper())
        end = _end(text, match.start(), length) if length else None
        if end is not None and _is_valid(text[match.start() : end]):
            yield Span("IBAN", match.start(), end, 1.0)


def _end(text: str, start: int, length: int) -> int | None:
    """Where the IBAN of `length` characters that begins at `start` ends; None if it is cut short or goes on."""
    place = start
    for _ in range(length):
        following = NEXT.match(text, place)
        if following is None or following.end() - start > LONGEST:
            return None
        place = following.end()
    following_one = text[place : place + 1]
    # a currency or a name may be written right behind the digits
    return None if following_one.isdigit() or (following_one.isalpha() and text[place - 1].isalpha()) else place


def _is_valid(written: str) -> bool:
    """ISO 7064, MOD 97-10."""
    plain = "".join(filter(str.isalnum, written)).upper()
    return int("".join(str(int(character, 36)) for character in plain[4:] + plain[:4])) % 97 == 1
