"""What the readers share: the error of a document that cannot be read, decoding, tidying."""

import re
import unicodedata

_SPACES = re.compile(r"[^\S\n]+")
_EMPTY_LINES = re.compile(r"\n{3,}")


class UnreadableError(Exception):
    """A document cannot be read. The text says why and holds nothing of the document."""


def decode(data: bytes) -> str:
    """UTF-8, with or without a byte order mark. Raises UnreadableError."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnreadableError("is not UTF-8 text") from None


def tidy(text: str) -> str:
    """The text without control and invisible format characters, with single spaces and at most one empty line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    visible = "".join(one if _visible(one) else " " if one.isspace() else "" for one in lines)
    stripped = "\n".join(_SPACES.sub(" ", line).strip() for line in visible.split("\n"))
    return _EMPTY_LINES.sub("\n\n", stripped).strip()


def _visible(one: str) -> bool:
    return one == "\n" or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co")
