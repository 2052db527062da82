"""Finds e-mail addresses, also those written with (at) and (dot)."""

import re
from collections.abc import Iterator

from banktuner_gateway.privacy.spans import Span

LOCAL = frozenset("._%+-'&=~")
LONGEST_LOCAL = 64
# telephones write a space after a dot; what follows a sentence's end is no top-level domain
_LABEL_END = r"(?:\.|\s\.\s?|(?:,|\.\s)(?=(?:com|net|org)(?![\w-])))"
DOMAIN = re.compile(
    rf"\s{{0,2}}@{{1,2}}\s{{0,2}}(?:\w(?:[\w-]{{0,30}}\w)?{_LABEL_END}){{1,5}}[^\W\d_]{{2,24}}(?![\w-])", re.IGNORECASE
)
_LOCAL = r"[\w+-][\w.+-]{0,39}"
_WORD = r"[\w-]{1,24}"
_DOT = r"(?:\s{0,2}[\[({<]\s?(?:dot|\.)\s?[\])}>]\s{0,2}|\s{1,2}dot\s{1,2}|\.)"
_AT = r"(?:\s{0,2}(?P<bracket>[\[({<])\s?(?:at?|@)\s?[\])}>]\s{0,2}|\s{1,2}at\s{1,2})"
SPELLED = re.compile(
    # ahead of the place only, so that addresses that overlap are all found
    rf"(?<![\w.+-])(?=(?P<all>(?P<local>{_LOCAL}){_AT}{_WORD}(?:{_DOT}{_WORD}){{0,2}}(?P<last>{_DOT})"
    rf"[^\W\d_]{{2,8}})(?!\w))",
    re.IGNORECASE,
)
HINT = re.compile(r"[\[({<]\s?(?:at?|@)\s?[\])}>]|\sdot\s|[\[({<]\s?dot|e-?mail", re.IGNORECASE)
NAMED = re.compile(r"e-?mail[^.!?@]{0,24}$", re.IGNORECASE)
# "e-mail me at example.com" names a site
PERSONS = frozenset({"me", "us", "you", "him", "her", "them", "it"})


def find_emails(text: str) -> Iterator[Span]:
    """Every address; domains of up to six labels."""
    for match in DOMAIN.finditer(text):
        start = _local_start(text, match.start())
        if start < match.start():
            yield Span("EMAIL", start, match.end(), 1.0)
    if HINT.search(text):
        yield from _spelled(text)


def _local_start(text: str, end: int) -> int:
    start = end
    while start > max(0, end - LONGEST_LOCAL) and (text[start - 1].isalnum() or text[start - 1] in LOCAL):
        start -= 1
    while start < end and text[start] in ".'&=~":
        start += 1
    return start


def _spelled(text: str) -> Iterator[Span]:
    for match in SPELLED.finditer(text):
        # "look at example.com" names a site
        named = NAMED.search(text, max(0, match.start() - 32), match.start()) and match["local"].lower() not in PERSONS
        if match.group("bracket") or match.group("last").strip() != "." or named:
            yield Span("EMAIL", *match.span("all"), 0.9)
