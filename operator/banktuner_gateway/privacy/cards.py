"""Finds card numbers (ISO/IEC 7812): 13 to 19 digits, however grouped, of a known issuer, with a right Luhn digit."""

import re
from collections.abc import Iterator

from banktuner_gateway.privacy.ibans import LENGTHS
from banktuner_gateway.privacy.spans import AFTER, BEFORE, LONGEST, Span, digit_groups

MIN_DIGITS, MAX_DIGITS = 13, 19
# no sign of money: amounts side by side are no number; nor does one go on after a key of JSON
_SIGN = r"(?:[^\w$\u20ac\u00a3\u00a5\u20b9%]|_)"
GAP = rf"(?:(?!\"\s*:){_SIGN}{{1,16}}|\s{{0,3}}(?:(?:</?[a-z]{{1,3}}\s?/?>|&nbsp;)\s{{0,3}}){{1,2}})"
"""What may stand between a card's groups in their usual sizes: signs, columns of a table, tags."""
GAPS = re.compile(GAP, re.IGNORECASE)
# the same between groups of any size: that is a list more often
SEPARATOR = re.compile(r"[\s.\-_/,:|*~]{1,3}")
_JOIN = rf"{_SIGN}{{1,4}}"
# what shops ask for next: until when the card is valid, its check value; then no digit joins on
TRAILER = re.compile(
    rf"(?:{_JOIN}(?:0[1-9]|1[0-2])\s?[/.|:\- ]?\s?(?:20)?[2-4][0-9])?(?:{_JOIN}[0-9]{{3}})?(?![0-9]|{_JOIN}[0-9])"
)
IBAN_BEGINNING = re.compile(r"(?<![^\W_])([A-Za-z]{2})[0-9]{2}$")
CONTEXT = re.compile(
    r"(?<![^\W_])(?:cards?|pan|visa|mastercard|maestro|amex|debit|credit|(?:kredit|debit|bank|giro)?karten?(?:nummer)?|"
    r"tarjetas?|cartes?|carta|cart[a\u00e3]o|(?:bank|credit)?kaart|kart[a\u0119y])(?![^\W_])",
    re.IGNORECASE,
)
HEXADECIMAL = re.compile(r"[0-9a-f-]{24,}", re.IGNORECASE)
# first and last prefix of a scheme's range, and the lengths it gives out
RANGES: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 18, 19})),
    ("51", "55", frozenset({16})),
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),
    ("37", "37", frozenset({15})),
    ("300", "305", frozenset({14, 16, 17, 18, 19})),
    ("3095", "3095", frozenset({14, 16, 17, 18, 19})),
    ("36", "36", frozenset({14, 15, 16, 17, 18, 19})),
    ("38", "39", frozenset({14, 16, 17, 18, 19})),
    ("3528", "3589", frozenset({16, 17, 18, 19})),
    ("6011", "6011", frozenset({16, 17, 18, 19})),
    ("622126", "622925", frozenset({16, 17, 18, 19})),
    ("644", "649", frozenset({16, 17, 18, 19})),
    ("65", "65", frozenset({16, 17, 18, 19})),
    ("60", "60", frozenset({16})),
    ("62", "62", frozenset({16, 17, 18, 19})),
    ("81", "82", frozenset({16, 17, 18, 19})),
    ("2200", "2204", frozenset({16, 17, 18, 19})),
    ("9792", "9792", frozenset({16})),
    ("50", "50", frozenset({13, 15, 16, 18, 19})),
    ("56", "58", frozenset({13, 15, 16, 18, 19})),
    ("6304", "6304", frozenset({13, 15, 16, 18, 19})),
    ("6390", "6390", frozenset({13, 15, 16, 18, 19})),
    ("67", "67", frozenset({13, 15, 16, 18, 19})),
)


_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Twice a digit, its own digits summed."""


def passes_luhn(number: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    return (sum(map(int, number[-1::-2])) + sum(map(int, number[-2::-2].translate(_DOUBLED)))) % 10 == 0


def has_issuer(number: str) -> bool:
    """Whether a scheme gives out numbers with this beginning and length."""
    return any(low <= number[: len(low)] <= high and len(number) in lengths for low, high, lengths in RANGES)


def find_cards(text: str) -> Iterator[Span]:
    """Every stretch of whole digit groups that is a card number; stretches may overlap."""
    groups = digit_groups(text)
    if sum(stop - begin for begin, stop in groups) < MIN_DIGITS:
        return
    for first, (start, _) in enumerate(groups):
        count = 0
        named: bool | None = None
        for last in range(first, min(first + MAX_DIGITS, len(groups))):
            if last > first and not GAPS.fullmatch(text, groups[last - 1][1], groups[last][0]):
                break
            count += groups[last][1] - groups[last][0]
            if count > MAX_DIGITS or groups[last][1] - start > LONGEST:
                break
            if count >= MIN_DIGITS:
                named = CONTEXT.search(text, max(0, start - BEFORE), start) is not None if named is None else named
                if _is_card(text, groups[first : last + 1], named) and _is_whole(text, groups, first, last, named):
                    yield Span("CARD", start, groups[last][1], 1.0)


def _is_card(text: str, stretch: list[tuple[int, int]], named: bool) -> bool:
    number = "".join(text[begin:stop] for begin, stop in stretch)
    if not passes_luhn(number) or not (has_issuer(number) or (named and len(number) >= 15)):
        return False
    return not _in_hexadecimal(text, stretch[0][0], stretch[-1][1])


def _is_issued(text: str, groups: list[tuple[int, int]]) -> bool:
    number = "".join(text[begin:stop] for begin, stop in groups)
    return passes_luhn(number) and has_issuer(number)


def _is_whole(text: str, groups: list[tuple[int, int]], first: int, last: int, named: bool) -> bool:
    """Whether the stretch is a number for itself, and no part of a longer one that passes by chance."""
    if _stands_alone(text, groups, first, last):
        return True
    sizes = [stop - begin for begin, stop in groups[first : last + 1]]
    return _is_usual(sizes) and (named or not _is_continued(text, groups, first, last))


def _is_usual(sizes: list[int]) -> bool:
    """Whole, in fours (the last may be short, some may stand side by side), 4-6-5, 4-6-4, or each digit for itself."""
    short = len(sizes) > 3 and sizes[-1] < 4
    fours = all(size % 4 == 0 for size in (sizes[:-1] if short else sizes))
    return len(sizes) == 1 or fours or sizes in ([4, 6, 5], [4, 6, 4]) or set(sizes) == {1}


def _is_continued(text: str, groups: list[tuple[int, int]], first: int, last: int) -> bool:
    """Whether it is a piece of a list or an IBAN: the same separator goes on, and not to a date or another card."""
    if first == last:
        return False
    gap = text[groups[first][1] : groups[first + 1][0]]
    return _goes_before(text, groups, first, gap) or _goes_after(text, groups, last, gap)


def _goes_before(text: str, groups: list[tuple[int, int]], first: int, gap: str) -> bool:
    """Whether an IBAN's beginning or groups of four stand before: two of them may be something else with blanks."""
    place, low = first, groups[first][0] - BEFORE + 3
    while place and first - place < 4 and groups[place - 1][0] >= low:
        if text[groups[place - 1][1] : groups[place][0]] != gap:
            break
        place -= 1
    beginning = IBAN_BEGINNING.search(text, max(0, groups[place][0] - 3), groups[place][1])
    if place < first and beginning is not None and beginning.group(1).upper() in LENGTHS:
        return True
    sizes = [stop - begin for begin, stop in groups[place:first]]
    fours = next((count for count, size in enumerate(reversed(sizes)) if size != 4), len(sizes))
    return fours > (2 if gap.isspace() else 0) and not (fours == 4 and _is_issued(text, groups[place:first]))


def _goes_after(text: str, groups: list[tuple[int, int]], last: int, gap: str) -> bool:
    """Whether a dash or a dot leads on, and neither to what shops ask for next nor to another card."""
    end = groups[last][1]
    following = [group for group in groups[last + 1 : last + 5] if group[1] <= end + AFTER]
    if gap.isspace() or not following or text[end : following[0][0]] != gap or TRAILER.match(text, end):
        return False
    return [stop - begin for begin, stop in following] != [4] * 4 or not _is_issued(text, following)


def _stands_alone(text: str, groups: list[tuple[int, int]], first: int, last: int) -> bool:
    """One separator throughout, and no letter or further group joins on: no part of a list or a key."""
    start, end = groups[first][0], groups[last][1]
    if text[max(0, start - 1) : start].isalnum() or text[end : end + 1].isalnum():
        return False
    if (first and SEPARATOR.fullmatch(text, groups[first - 1][1], start)) or not TRAILER.match(text, end):
        return False
    gaps = {text[groups[place][1] : groups[place + 1][0]] for place in range(first, last)}
    return len(gaps) == 1 and SEPARATOR.fullmatch(gaps.pop()) is not None


def _in_hexadecimal(text: str, start: int, end: int) -> bool:
    """Whether the digits are part of a UUID or a digest: the letters beside them are a number's too."""
    low = max(0, start - 40)
    around = HEXADECIMAL.finditer(text, low, min(len(text), end + 40))
    return any(
        match.start() <= start and end <= match.end() and any(map(str.isalpha, match.group())) for match in around
    )
