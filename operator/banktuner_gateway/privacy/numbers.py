"""Finds numbers that form and words around tell: account, sort code, routing, CVV, PIN, SSN, telephone."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

from banktuner_gateway.privacy.context import follows_money, is_amount, name_after, names_before
from banktuner_gateway.privacy.phones import looks_like_phone, may_be_phone
from banktuner_gateway.privacy.spans import Span, digit_groups

GAP = re.compile(r"[ \-./()\u2044]{1,3}|\s{1,2}\(0\)\s?|\(0\)")
MAX_GROUPS, MAX_DIGITS = 8, 17
PLAIN_GAPS: tuple[set[str], ...] = ({" "}, {"-"}, {"."}, set())
CUT_BEFORE = re.compile(r"[0-9][-./:,_]|[^\W\d_][-/]")
CUT_AFTER = re.compile(r"[-./:,_][0-9]")
# of a telephone's extension: "x12"
EXTENSION = re.compile(r"[xX][0-9]")
LEAD = re.compile(r"\+\s?\(?$|\($")
FURTHER = re.compile(r"[0-9][ \-./()]{1,3}$")
DATE = re.compile(
    r"(?:19|20)\d\d([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2(?:19|20)\d\d|"
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
)
# how many words that say nothing may stand between the name and the number
PATIENCE = {
    "ACCOUNT": 2, "SORT_CODE": 2, "BANK_CODE": 1, "ROUTING": 2, "CVV": 0, "PIN": 0, "SSN": 2, "NATIONAL": 2, "PHONE": 3,
}  # fmt: skip
# other countries' go under the name of the one they are like
MASKED_AS = {"BANK_CODE": "SORT_CODE", "NATIONAL": "SSN"}
SCORES = {"ACCOUNT": 0.7, "SORT_CODE": 0.75, "ROUTING": 0.85, "CVV": 0.6, "PIN": 0.6, "SSN": 0.8, "PHONE": 0.65}


class Window:
    """Whole digit groups side by side: `text[start:end]`."""

    def __init__(self, text: str, groups: list[tuple[int, int]]) -> None:
        self.text = text
        self.start, self.end = groups[0][0], groups[-1][1]
        self.sizes = [end - start for start, end in groups]
        self.number = "".join(text[start:end] for start, end in groups)
        self.gaps = {text[before[1] : after[0]] for before, after in pairwise(groups)}

    @property
    def written(self) -> str:
        """As it stands in the text."""
        return self.text[self.start : self.end]


def _may_be_account(window: Window) -> bool:
    count = len(window.number)
    if not 6 <= count <= MAX_DIGITS or window.gaps not in PLAIN_GAPS[:2] + PLAIN_GAPS[3:]:
        return False
    whole = len(window.sizes) == 1 or min(window.sizes) >= 2 or set(window.sizes) == {1}
    return whole and not DATE.fullmatch(window.written)


def _may_be_sort_code(window: Window) -> bool:
    return len(window.number) == 6 and window.sizes in ([6], [2, 2, 2], [1] * 6) and window.gaps in PLAIN_GAPS


def _may_be_bank_code(window: Window) -> bool:
    return 4 <= len(window.number) <= 8 and (len(window.sizes) == 1 or window.sizes in ([3, 3, 2], [2, 2, 2]))


def _may_be_national(window: Window) -> bool:
    return 9 <= len(window.number) <= 15


def _may_be_routing(window: Window) -> bool:
    return len(window.number) == 9 and window.gaps in PLAIN_GAPS


def _has_length(shortest: int, longest: int, window: Window) -> bool:
    equal = len(set(window.sizes)) == 1
    return shortest <= len(window.number) <= longest and equal and window.gaps in PLAIN_GAPS


def _may_be_ssn(window: Window) -> bool:
    return len(window.number) == 9


def _may_be_phone(window: Window) -> bool:
    return not DATE.fullmatch(window.written) and may_be_phone(window.number, window.sizes)


FORMS: dict[str, Callable[[Window], bool]] = {
    "ACCOUNT": _may_be_account,
    "SORT_CODE": _may_be_sort_code,
    "ROUTING": _may_be_routing,
    "CVV": partial(_has_length, 3, 4),
    "PIN": partial(_has_length, 4, 8),
    "SSN": _may_be_ssn,
    "BANK_CODE": _may_be_bank_code,
    "NATIONAL": _may_be_national,
    "PHONE": _may_be_phone,
}


def passes_aba(number: str) -> bool:
    """The checksum of routing transit numbers: weights 3, 7, 1 modulo 10; 00 0000 000 is none."""
    weighted = sum(int(digit) * weight for digit, weight in zip(number, (3, 7, 1) * 3, strict=True))
    return weighted % 10 == 0 and number.strip("0") != ""


def is_ssn(number: str) -> bool:
    """The SSA's rules: area not 000, 666 or 9xx, group not 00, serial not 0000."""
    return number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"


_FREE = "AMOUNT"
CHECKS: dict[str, Callable[[str], bool]] = {"ROUTING": passes_aba, "SSN": is_ssn}


def find_numbers(text: str, taken: Sequence[Span] = ()) -> Iterator[Span]:
    """Every stretch of whole digit groups with a kind's form and its name beside it, or a form that is plain alone.

    `taken`: numbers that are known already; nothing is sought within one of them.
    """
    groups = digit_groups(text)
    after = [_FREE if is_amount(text, end) else name_after(text, end) for _, end in groups]
    for first in range(len(groups)):
        yield from _beginning_with(text, groups, first, after, taken)


def _beginning_with(
    text: str, groups: list[tuple[int, int]], first: int, after: list[str | None], taken: Sequence[Span]
) -> Iterator[Span]:
    start = groups[first][0]
    within = max((span.end for span in taken if span.start <= start), default=0)
    lasts = [last for last in _ends(text, groups, first) if after[last] != _FREE and groups[last][1] > within]
    if not lasts or follows_money(text, start):
        return
    before = list(names_before(text, start))
    for last in lasts:
        window = Window(text, groups[first : last + 1])
        kind = None if _is_cut(window) else _by_form(window) or _by_name(window, before, after[last])
        if kind is not None:
            shown = MASKED_AS.get(kind, kind)
            yield Span(shown, _start(window, kind), window.end, SCORES[shown])


def _ends(text: str, groups: list[tuple[int, int]], first: int) -> Iterator[int]:
    """Last groups of the stretches of at least three digits that begin with the group `first`."""
    count = 0
    for last in range(first, min(first + MAX_GROUPS + 1, len(groups))):
        if last > first and not GAP.fullmatch(text, groups[last - 1][1], groups[last][0]):
            return
        count += groups[last][1] - groups[last][0]
        if count > MAX_DIGITS:
            return
        if count >= 3:
            yield last


def _by_form(window: Window) -> str | None:
    """The kind that the form alone tells."""
    if window.sizes == [3, 2, 4] and window.gaps in PLAIN_GAPS[:2] and is_ssn(window.number):
        return "SSN"
    plus = window.text[max(0, window.start - 1) : window.start] == "+"
    if looks_like_phone(window.number, window.sizes, window.gaps, plus) and (plus or not _goes_before(window)):
        return "PHONE"
    return None


def _is_cut(window: Window) -> bool:
    """Whether a letter or a further group without space joins on: a part of a date, a version, a reference."""
    before, after = window.text[max(0, window.start - 2) : window.start], window.text[window.end : window.end + 2]
    if before[-1:].isalpha() or (after[:1].isalpha() and not EXTENSION.fullmatch(after)):
        return True
    return bool(CUT_BEFORE.fullmatch(before)) or bool(CUT_AFTER.fullmatch(after))


def _goes_before(window: Window) -> bool:
    """Whether a further digit group stands right before: the window is the end of a longer number."""
    return bool(FURTHER.search(window.text[max(0, window.start - 4) : window.start]))


def _by_name(window: Window, before: list[tuple[str, int]], after: str | None) -> str | None:
    """The kind that the words beside it tell."""
    day = False
    for kind, unknown in before:
        if kind == "OTHER":
            break
        if kind == "DAY":
            day = True
        elif unknown <= PATIENCE[kind] and FORMS[kind](window) and (not day or kind == "PHONE"):
            return kind if CHECKS.get(kind, bool)(window.number) else None
    if after in FORMS and FORMS[after](window) and CHECKS.get(after, bool)(window.number):
        return after
    return None


def _start(window: Window, kind: str) -> int:
    """With the plus and the bracket that belong to a telephone number."""
    match = LEAD.search(window.text[max(0, window.start - 3) : window.start]) if kind == "PHONE" else None
    return window.start - len(match.group()) if match else window.start
