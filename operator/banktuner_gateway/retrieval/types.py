"""What passes between this part's modules: sections of documents, chunks of sections, passages found."""

from dataclasses import dataclass
from typing import Any

Vectors = Any
"""float32 array of shape (texts, dimension), rows of length 1."""


@dataclass(frozen=True)
class Section:
    """A piece of a document under one heading. `heading`: those above it, outermost first, without the title."""

    heading: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Document:
    """A document that could be read. `path` is below the documents' folder."""

    path: str
    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Chunk:
    """What is embedded and found as one. `position` counts the document's chunks from 0.

    `sha256` is that of `embedded_text`: the same digest needs no new embedding.
    """

    document: str
    title: str
    section: str
    position: int
    text: str
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """All fields, for files and vendors' payloads."""
        return {
            "document": self.document,
            "title": self.title,
            "section": self.section,
            "position": self.position,
            "text": self.text,
            "sha256": self.sha256,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Chunk":
        """The inverse of to_json; further fields are passed over. Raises KeyError, ValueError."""
        return cls(
            document=str(fields["document"]),
            title=str(fields["title"]),
            section=str(fields["section"]),
            position=int(fields["position"]),
            text=str(fields["text"]),
            sha256=str(fields["sha256"]),
        )


def embedded_text(title: str, section: str, text: str) -> str:
    """A chunk's text below its headings, which tell what a sentence like "It costs 2.50" is about."""
    return "\n".join(part for part in (title, section, text) if part)


@dataclass(frozen=True)
class Passage:
    """A chunk that was found. `score`: cosine of question and chunk, -1 to 1."""

    chunk: Chunk
    score: float
