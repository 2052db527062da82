"""Finds numbers that only their form and the words around them tell: accounts, sort codes, routing, CVV, PIN, SSN, telephones."""

import re
from collections.abc import Iterator
from functools import partial

from banktuner_gateway.privacy.context import follows_money, is_amount, name_after, names_before
from banktuner_gateway.privacy.phones import looks_like_phone, may_be_phone
from banktuner_gateway.privacy.spans import Span, digit_groups

GAP = re.compile(r"[ \-./()\u2044]{1,3}|\s{1,2}\(0\)\s?|\(0\)")
MAX_GROUPS, MAX_DIGITS = 8, 17
PLAIN_GAPS = ({" "}, {"-"}, {"."}, set())
CUT_BEFORE = re.compile(r"[0-9][-./:,_]|[^\W\d_][-/]")
CUT_AFTER = re.compile(r"[-./:,_][0-9]")
FURTHER = re.compile(r"[0-9][ \-./()]{1,3}$")
DATE = re.compile(
    r"(?:19|20)\d\d([-./ ])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2(?:19|20)\d\d|(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
)
# how many words that say nothing may stand between the name and the number
PATIENCE = {"ACCOUNT": 2, "SORT_CODE": 2, "ROUTING": 2, "CVV": 0, "PIN": 0, "SSN": 2, "PHONE": 3}
SCORES = {"ACCOUNT": 0.7, "SORT_CODE": 0.75, "ROUTING": 0.85, "CVV": 0.6, "PIN": 0.6, "SSN": 0.8, "PHONE": 0.65}


class Window:
    """Whole digit groups side by side: `text[start:end]`."""

    def __init__(self, text: str, groups: list[tuple[int, int]]) -> None:
        self.text = text
        self.start, self.end = groups[0][0], groups[-1][1]
        self.sizes = [end - start for start, end in groups]
        self.number = "".join(text[start:end] for start, end in groups)
        self.gaps = {text[before[1] : after[0]] for before, after in zip(groups, groups[1:], strict=False)}

    @property
    def written(self) -> str:
        """As it stands in the text."""
        return self.text[self.start : self.end]

    def may_be(self, kind: str) -> bool:
        """Whether the number has the form of the kind."""
        return FORMS[kind](self)


def _may_be_account(window: Window) -> bool:
    count = len(window.number)
    if not 6 <= count <= MAX_DIGITS or window.gaps not in PLAIN_GAPS[:2] + PLAIN_GAPS[3:]:
        return False
    whole = len(window.sizes) == 1 or min(window.sizes) >= 2 or set(window.sizes) == {1}
    return whole and not DATE.fullmatch(window.written)


def _may_be_sort_code(window: Window) -> bool:
    return len(window.number) == 6 and window.sizes in ([6], [2, 2, 2], [1] * 6) and window.gaps in PLAIN_GAPS


def _may_be_routing(window: Window) -> bool:
    return len(window.number) == 9 and window.gaps in PLAIN_GAPS


def _has_length(shortest: int, longest: int, window: Window) -> bool:
    whole = len(window.sizes) == 1 or set(window.sizes) == {1}
    return shortest <= len(window.number) <= longest and whole and window.gaps in PLAIN_GAPS


def _may_be_ssn(window: Window) -> bool:
    return len(window.number) == 9 and window.sizes in ([9], [3, 2, 4], [1] * 9) and window.gaps in PLAIN_GAPS


def _may_be_phone(window: Window) -> bool:
    return not DATE.fullmatch(window.written) and may_be_phone(window.number, window.sizes)


FORMS = {
    "ACCOUNT": _may_be_account,
    "SORT_CODE": _may_be_sort_code,
    "ROUTING": _may_be_routing,
    "CVV": partial(_has_length, 3, 4),
    "PIN": partial(_has_length, 4, 8),
    "SSN": _may_be_ssn,
    "PHONE": _may_be_phone,
}


def passes_aba(number: str) -> bool:
    """The checksum of routing transit numbers: weights 3, 7, 1 modulo 10; 00 0000 000 is none."""
    weighted = sum(int(digit) * weight for digit, weight in zip(number, (3, 7, 1) * 3, strict=True))
    return weighted % 10 == 0 and number.strip("0") != ""


def is_ssn(number: str) -> bool:
    """The SSA's rules: area not 000, 666 or 9xx, group not 00, serial not 0000."""
    return number[:3] not in ("000", "666") and number[0] != "9" and number[3:5] != "00" and number[5:] != "0000"


CHECKS = {"ROUTING": passes_aba, "SSN": is_ssn}


def find_numbers(text: str) -> Iterator[Span]:
    """Every stretch of whole digit groups that has a kind's form and its name beside it, or a form that is plain alone."""
    groups = digit_groups(text)
    for first in range(len(groups)):
        if follows_money(text, groups[first][0]):
            continue
        count = 0
        for last in range(first, min(first + MAX_GROUPS + 1, len(groups))):
            if last > first and not GAP.fullmatch(text, groups[last - 1][1], groups[last][0]):
                break
            count += groups[last][1] - groups[last][0]
            if count > MAX_DIGITS:
                break
            if count >= 3 and not is_amount(text, groups[last][1]):
                yield from _judged(Window(text, groups[first : last + 1]))


def _judged(window: Window) -> Iterator[Span]:
    kind = _kind(window)
    if kind == "PHONE":
        yield Span("PHONE", _phone_start(window), window.end, SCORES["PHONE"])
    elif kind is not None:
        yield Span(kind, window.start, window.end, SCORES[kind])


def _kind(window: Window) -> str | None:
    if not any(form(window) for form in FORMS.values()) or _is_cut(window):
        return None
    if window.sizes == [3, 2, 4] and window.gaps in PLAIN_GAPS[:2] and is_ssn(window.number):
        return "SSN"
    plus = window.text[max(0, window.start - 1) : window.start] == "+"
    if looks_like_phone(window.number, window.sizes, window.gaps, plus) and (plus or not _goes_before(window)):
        return "PHONE"
    return _named(window)


def _is_cut(window: Window) -> bool:
    """Whether a letter or a further group without space joins on: a part of a date, a version, a reference."""
    before, after = window.text[max(0, window.start - 2) : window.start], window.text[window.end : window.end + 2]
    if before[-1:].isalpha() or after[:1].isalpha():
        return True
    return bool(CUT_BEFORE.fullmatch(before)) or bool(CUT_AFTER.fullmatch(after))


def _goes_before(window: Window) -> bool:
    """Whether a further digit group stands right before: the window is the end of a longer number."""
    return bool(FURTHER.search(window.text[max(0, window.start - 4) : window.start]))


def _named(window: Window) -> str | None:
    day = False
    for kind, unknown in names_before(window.text, window.start):
        if kind == "OTHER":
            break
        if kind == "DAY":
            day = True
        elif unknown <= PATIENCE[kind] and window.may_be(kind) and (not day or kind == "PHONE"):
            return kind if CHECKS.get(kind, bool)(window.number) else None
    following = name_after(window.text, window.end)
    if following in FORMS and window.may_be(following) and CHECKS.get(following, bool)(window.number):
        return following
    return None


def _phone_start(window: Window) -> int:
    """With the plus and the bracket that belong to it."""
    match = re.search(r"\+\s?\(?$|\($", window.text[max(0, window.start - 3) : window.start])
    return window.start - len(match.group()) if match else window.start
