"""Cuts documents into chunks that the encoder reads whole: along headings, then lines and sentences, overlapping."""

import hashlib
import re
from collections.abc import Iterator
from typing import Protocol

from banktuner_gateway.retrieval.types import Chunk, Document, Section, embedded_text

OVERLAP_TOKENS = 32
"""Of the end of a chunk that the next one of the section begins with, in whole sentences."""
LEAST_TOKENS = 32
"""Room for text that is left in a chunk however long its headings are."""
HEADING_CHARACTERS = 200
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"\u201d\u2019)]*\s+(?=[A-Z0-9\"\u201c(])")
_ABBREVIATION = re.compile(r"\b(?:e\.g|i\.e|No|Nr|Art|approx|incl|max|min|Mr|Mrs|Ms|Dr|St|[A-Z])\.$")


class Tokens(Protocol):
    """What is asked of an encoder here."""

    max_tokens: int

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Where each token of `text` begins and ends, in characters; without special tokens, never cut."""
        ...


def chunks_of(document: Document, tokens: Tokens) -> list[Chunk]:
    """The document's chunks in their order; every character of its text is in one at least. Takes CPU time."""
    title = document.title[:HEADING_CHARACTERS]
    found: list[Chunk] = []
    for section in document.sections:
        name = " > ".join(section.heading)[:HEADING_CHARACTERS]
        # Two special tokens frame what the encoder reads.
        room = tokens.max_tokens - 2 - len(tokens.offsets(embedded_text(title, name, "")))
        for text in _pieces(section, max(LEAST_TOKENS, room), tokens):
            digest = hashlib.sha256(embedded_text(title, name, text).encode()).hexdigest()
            found.append(Chunk(document.path, title, name, len(found), text, digest))
    return found


def _pieces(section: Section, room: int, tokens: Tokens) -> Iterator[str]:
    """Texts of at most `room` tokens; each but the first begins with the end of the one before."""
    held: list[tuple[str, int]] = []
    fresh = False
    for part, size in _parts(section.text, room, tokens):
        if fresh and sum(count for _, count in held) + size > room:
            yield "".join(text for text, _ in held).strip()
            held, fresh = _tail(held, min(OVERLAP_TOKENS, room - size)), False
        held.append((part, size))
        fresh = True
    if fresh:
        yield "".join(text for text, _ in held).strip()


def _tail(parts: list[tuple[str, int]], room: int) -> list[tuple[str, int]]:
    kept = len(parts)
    while kept > 0 and sum(size for _, size in parts[kept - 1 :]) <= room:
        kept -= 1
    return parts[kept:]


def _parts(text: str, room: int, tokens: Tokens) -> Iterator[tuple[str, int]]:
    """Sentences with the white space after them, and their tokens; one that is longer than `room` is cut."""
    for line in text.splitlines(keepends=True):
        for sentence in sentences(line):
            spans = tokens.offsets(sentence)
            if len(spans) <= room:
                yield sentence, len(spans)
                continue
            for first in range(0, len(spans), room):
                begin = spans[first][0] if first else 0
                last = min(first + room, len(spans))
                end = spans[last][0] if last < len(spans) else len(sentence)
                yield sentence[begin:end], last - first


def sentences(line: str) -> Iterator[str]:
    """The sentences of a line with the white space after them; together they are the line."""
    begin = 0
    for end in _SENTENCE_END.finditer(line):
        if not _ABBREVIATION.search(line[begin : end.start()]):
            yield line[begin : end.end()]
            begin = end.end()
    if begin < len(line):
        yield line[begin:]
