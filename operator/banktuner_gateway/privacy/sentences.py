"""Where a text is cut for a model that reads sentences, so that a stream and the whole text are cut alike."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# characters of normalised text
LONGEST_SENTENCE = 320
"""What goes on for longer is cut at its last space before."""
AROUND = 80
"""What is read before every piece, and after one that was cut."""

# a line's end is one where the next line begins something new, or this one ends a phrase
END = re.compile(
    r"[.!?\u2026\uff01\uff1f]+[\"')\]\u2019\u201d\u00bb*_]*\s|(?<=[,:;])[\r\n]|[\r\n](?=[^\w ])|[\r\n](?=[0-9])"
)
# "Mr. Brown", "J. Brown": the dot ends no sentence
SHORT = re.compile(
    r"(?<!\w)(?:[^\W\d_]|mrs?|ms|mx|drs?|prof|sr|jr|st|rev|hon|capt|sgt|mme|mlle|sra|hr|fr|no|nr)\.\s$", re.I
)
SPACE = re.compile(r"\s(?=\S*$)")


@dataclass(frozen=True)
class Piece:
    """`text[start:end]` is judged by what is found in `text[first:last]`, which holds it."""

    start: int
    end: int
    first: int
    last: int


def pieces(text: str, begin: int, at_end: bool) -> Iterator[Piece]:
    """The pieces from `begin` on, which is 0 or the end of one, without gaps.

    They are those that any longer text would have; `at_end`: there is none, and the rest is a piece too.
    """
    while begin < len(text):
        end, last = _end(text, begin, at_end)
        if end is None:
            return
        yield Piece(begin, end, max(0, begin - AROUND), last)
        begin = end


def _end(text: str, begin: int, at_end: bool) -> tuple[int | None, int]:
    limit = begin + LONGEST_SENTENCE
    for match in END.finditer(text, begin, limit):
        if not SHORT.search(text, max(begin, match.start() - 6), match.end()):
            return match.end(), match.end()
    if at_end and len(text) <= limit:
        return len(text), len(text)
    if not at_end and len(text) < limit + AROUND:
        return None, 0
    space = SPACE.search(text, begin, limit)
    end = space.end() if space else limit
    return end, min(len(text), end + AROUND)
