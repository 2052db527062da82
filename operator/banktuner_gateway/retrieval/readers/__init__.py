"""Readers of the formats: bytes of an object in, title and sections out."""

from collections.abc import Callable
from pathlib import PurePosixPath

from banktuner_gateway.retrieval.readers.common import UnreadableError, decode, tidy
from banktuner_gateway.retrieval.readers.html import read_html
from banktuner_gateway.retrieval.readers.markdown import read_markdown
from banktuner_gateway.retrieval.readers.pdf import read_pdf
from banktuner_gateway.retrieval.types import Document, Section

__all__ = ["LARGEST_BYTES", "LARGEST_CHARACTERS", "SUFFIXES", "UnreadableError", "read_document"]

LARGEST_BYTES = 16 * 1024 * 1024
"""Of a document's object."""
LARGEST_CHARACTERS = 2_000_000
"""Of a document's text: about a thousand pages."""

Parsed = tuple[str, list[Section]]


def _read_text(data: bytes) -> Parsed:
    return "", [Section((), decode(data))]


_READERS: dict[str, Callable[[bytes], Parsed]] = {
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": _read_text,
    ".html": read_html,
    ".htm": read_html,
    ".pdf": read_pdf,
}
SUFFIXES = frozenset(_READERS)


def read_document(path: str, data: bytes) -> Document:
    """The document at `path`, whose suffix says what it is. Takes CPU time. Raises UnreadableError."""
    if len(data) > LARGEST_BYTES:
        raise UnreadableError(f"larger than {LARGEST_BYTES} bytes")
    name = PurePosixPath(path)
    title, sections = _parsed(name.suffix.lower(), data)
    kept = tuple(
        Section(tuple(tidy(heading) for heading in section.heading), text)
        for section in sections
        if (text := tidy(section.text))
    )
    if not kept:
        raise UnreadableError("holds no text")
    if sum(len(section.text) for section in kept) > LARGEST_CHARACTERS:
        raise UnreadableError(f"holds more than {LARGEST_CHARACTERS} characters")
    return Document(path, tidy(title) or _title_of(name), kept)


def _parsed(suffix: str, data: bytes) -> Parsed:
    """One document's errors are its own: the Job goes on with the others."""
    try:
        return _READERS[suffix](data)
    except UnreadableError:
        raise
    # The parsers raise errors of many types, AssertionError and RecursionError among them, for files that are not what
    # they should be, and quote the file in them.
    except Exception as error:
        raise UnreadableError(f"is not a {suffix[1:].upper()} that can be read ({type(error).__name__})") from None


def _title_of(name: PurePosixPath) -> str:
    return tidy(name.stem.replace("-", " ").replace("_", " ")).capitalize()
