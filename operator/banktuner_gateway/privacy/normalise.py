"""Text as the recognisers read it: all scripts' digits, spaces, dashes and dots as ASCII's, nothing invisible.

Every character knows where it came from, so that exactly the original characters can be masked.
"""

import re
import unicodedata
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache

# what fonts leave blank, yet Unicode does not call a format character
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
DASHES = frozenset("\u2043\u2212\u02d7\u2796\u30fc\uff70")
DOTS = frozenset("\u00b7\u2022\u2024\u2027\u2219\u22c5\u3002\uff61\uff0e")
CONTROLS = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
DROPPED = frozenset({"Cf", "Cc", "Mn", "Me", "Cs"})


@lru_cache(maxsize=4096)
def _plain(character: str) -> str:
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    if character.isspace():
        return character if character in "\n\r" else " "
    category = unicodedata.category(character)
    if category in DROPPED or character in BLANKS:
        return ""
    if category == "Pd" or character in DASHES:
        return "-"
    if character in DOTS:
        return "."
    return unicodedata.normalize("NFKC", character)


@dataclass(frozen=True)
class Normalised:
    """`origins[i]` is the place in the source of `text[i]`; None: both are the same text."""

    text: str
    origins: list[int] | None

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]`, which is not empty, lies in the source."""
        if self.origins is None:
            return start, end
        return self.origins[start], self.origins[end - 1] + 1

    def source_start(self, place: int, source_length: int) -> int:
        """Where the character at `place` begins in the source; its end for the place after the last one."""
        if self.origins is None:
            return place
        return self.origins[place] if place < len(self.origins) else source_length

    def place_of(self, source_place: int) -> int:
        """The first place of `text` that comes from `source_place` or after it."""
        return source_place if self.origins is None else bisect_left(self.origins, source_place)


def normalise(source: str) -> Normalised:
    """Works character by character: what a character becomes depends on no other one."""
    if source.isascii() and not CONTROLS.search(source):
        return Normalised(source, None)
    characters: list[str] = []
    origins: list[int] = []
    for place, character in enumerate(source):
        for plain in _plain(character):
            characters.append(plain)
            origins.append(place)
    return Normalised("".join(characters), origins)
