"""What an answer's text may hold: letters, marks, punctuation, symbols, spaces, line breaks and tabs, and no picture.

HTML and JSON in it are text like any other: it leaves as a JSON string, and who shows it escapes it.
"""

import re
import unicodedata

_KEPT = frozenset("\n\t\u200c\u200d")
"""The last two join letters of Persian and of the languages of India, and emojis."""
_DROPPED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
_PICTURE = re.compile(r"(?<!!)!+\[")


class AnswerCleaner:
    """Cleans an answer piece by piece. What was returned is final; the same text comes out however it was cut."""

    def __init__(self) -> None:
        """For one answer."""
        self._held = ""

    def feed(self, piece: str) -> str:
        """The next clean text, maybe empty."""
        text = self._held + _allowed(piece)
        free = text.rstrip("!")
        self._held = text[len(free) :]
        return _PICTURE.sub("[", free)

    def flush(self) -> str:
        """What was held back, at the answer's end."""
        held, self._held = self._held, ""
        return held


def clean(answer: str) -> str:
    """The whole answer, cleaned.

    A Markdown picture becomes a link: a picture is fetched without a click, and its address can carry data away.
    """
    return _PICTURE.sub("[", _allowed(answer))


def _allowed(text: str) -> str:
    return text if text.isascii() and text.isprintable() else "".join(filter(_may_stay, text))


def _may_stay(char: str) -> bool:
    return char in _KEPT or unicodedata.category(char) not in _DROPPED
