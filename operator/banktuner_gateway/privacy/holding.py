"""Where in a text that goes on a recogniser might still find something: a stream sends nothing from there on."""

import re
from collections.abc import Iterator

from banktuner_gateway.privacy.cards import GAP
from banktuner_gateway.privacy.ibans import BEGINNING, LENGTHS, NEXT
from banktuner_gateway.privacy.ibans import GAP as IBAN_GAP
from banktuner_gateway.privacy.spans import AFTER, LONGEST
from banktuner_gateway.privacy.words import COPULAS, OWNERS, without_accents

# the last two words: an address may follow, or the digits that make them an IBAN's beginning
LAST_WORDS = re.compile(r"(?:\S{1,64}\s{1,3})?(?:\S{1,64}\s{0,3})?$")
# from a spelled "at" on, as long as what follows may be a host
SPELLED = re.compile(
    r"(?<![\w.+-])[\w+-][\w.+-]{0,39}(?:\s{0,2}[\[({<]\s?(?:at?|@)?\s?[\])}>]?\s{0,2}|\s{1,2}at?\s{0,2})"
    r"(?:[\w-]{1,24}(?:(?:\s{0,2}[\[({<]\s?(?:dot|\.)\s?[\])}>]\s{0,2}|\s{1,2}dot\s{1,2}|\.)[\w-]{0,24}){0,3})?"
    r"\s{0,2}[\[({<]?\s?(?:d|do|dot|\.)?\s?[\])}>]?\s{0,2}$",
    re.IGNORECASE,
)
ADDRESS = re.compile(r"\S{1,64}\s{0,2}@\s{0,2}\S*+(?:(?:(?<=\.)\s|\s\.\s?)\S*+){0,5}\s?$")
# words that may lead on to the name of a number: "… is my PIN"
_OPENERS = "is was are were being as really actually not indeed my the our his her their your a an"
OPENERS = frozenset(f"{_OPENERS} {COPULAS} {OWNERS}".split())
# what ends a number for good: at most three characters that begin no tag, then a whole word that leads to no name
SETTLED = re.compile(r"[^\w(<&]{0,3}(?P<word>[^\W\d_]+)(?=[^\w-])")
JOINS = re.compile(rf"[^\w]{{0,6}}|{GAP}", re.IGNORECASE)
SEPARATORS = re.compile(IBAN_GAP)
# further digits follow: no name can
MORE_DIGITS = re.compile(rf"(?:[^\w]{{1,6}}|{GAP})[0-9]", re.IGNORECASE)
HEXADECIMAL_END = re.compile(r"[0-9a-f-]*[^0-9a-f-]", re.IGNORECASE)
DIGITS = re.compile(r"[0-9]+")


def first_unsettled(text: str, base: int, everything: bool) -> int:
    """The first place from `base` on from which more text might change what is found.

    `everything`: also patterns of the bank's own are sought, which may begin anywhere.
    """
    limit = max(base, len(text) - LONGEST - AFTER)
    if everything:
        return limit
    return max(limit, min(_unsettled(text, limit), default=len(text)))


def _unsettled(text: str, limit: int) -> Iterator[int]:
    for pattern in (LAST_WORDS, SPELLED, ADDRESS):
        match = pattern.search(text, limit)
        if match:
            yield match.start()
    yield from _numbers(text, limit)
    yield from _ibans(text, limit)


def _numbers(text: str, limit: int) -> Iterator[int]:
    """Where the run of digit groups begins that the first open group belongs to."""
    start, previous = limit, limit
    for group in DIGITS.finditer(text, limit):
        if not JOINS.fullmatch(text, previous, group.start()) or group.start() == limit:
            start = group.start()
        previous = group.end()
        if not _is_settled(text, group.end()):
            # with what may belong to it: a plus, a bracket, a country
            yield max(limit, start - 4)
            return


def _is_settled(text: str, end: int) -> bool:
    """Whether nothing that may still come changes what the digits before `end` are."""
    if len(text) - end > AFTER:
        return True
    if not HEXADECIMAL_END.match(text, end):
        return False
    following = SETTLED.match(text, end)
    named = following is not None and without_accents(following["word"].lower()) not in OPENERS
    return named or MORE_DIGITS.match(text, end) is not None


def _ibans(text: str, limit: int) -> Iterator[int]:
    for match in BEGINNING.finditer(text, max(0, limit - 1)):
        length = LENGTHS.get(match.group(1).upper())
        if length and match.start() >= limit and _may_go_on(text, match.start(), length):
            yield match.start()
            return


def _may_go_on(text: str, start: int, length: int) -> bool:
    """Whether the end of the text may have cut the IBAN short."""
    place = start
    for _ in range(length):
        following = NEXT.match(text, place)
        if following is None or following.end() - start > LONGEST:
            return SEPARATORS.fullmatch(text, place) is not None
        place = following.end()
    return place == len(text)
