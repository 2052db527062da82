"""Masks personal data: with placeholders that a conversation's vault can undo, or for good."""

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from banktuner_api.gateway import Entity
from banktuner_gateway.privacy.entities import finder
from banktuner_gateway.privacy.normalise import Normalised, normalise
from banktuner_gateway.privacy.public import PUBLIC, PublicValues
from banktuner_gateway.privacy.recognisers import Recognisers
from banktuner_gateway.privacy.sentences import pieces
from banktuner_gateway.privacy.spans import Span, joined
from banktuner_gateway.privacy.vault import NAME, PLACEHOLDER, Vault

TYPED = "TEXT"
"""Kind of a placeholder that a customer typed: it is masked too, and stands for nothing but itself."""
HINT = re.compile(r"[0-9@]|\bdot\b|[\[({<]\s?at?\b|e-?mail", re.IGNORECASE)


class Names(Protocol):
    """What NameRecogniser does."""

    def find(self, text: str) -> list[Span]:
        """People's names in a text of some sentences."""


class Masker:
    """Finds and masks; may be shared by threads.

    All of it is CPU work: below 1 ms for 60 words with numbers, and with `names` the model's time for each sentence.
    """

    def __init__(self, entities: Iterable[Entity] = (), allow: Iterable[str] = (), names: Names | None = None) -> None:
        """`allow`: values that are left as they are. Raises ValueError that names the entity whose pattern cannot be
        used."""
        extra = [(finder(entity), (entity.name,)) for entity in entities]
        self.has_entities = bool(extra)
        self._recognisers = Recognisers(extra)
        self._public = PublicValues(allow)
        self._names = names
        labels = "|".join((*self._recognisers.kinds, NAME))
        self._masked = re.compile(rf"<(?:{labels})>|{PLACEHOLDER.pattern}")

    @property
    def has_names(self) -> bool:
        """Whether a model is asked, which takes longer than a thread's start."""
        return self._names is not None

    def find(self, text: Normalised) -> list[Span]:
        """Personal data in normalised text, in its order, without overlaps."""
        return private(joined(self.overlapping(text.text)))

    def overlapping(self, text: str) -> Iterator[Span]:
        """The same of plain text, each span for itself, and public values."""
        # every built-in kind has a digit in it, or an @, or one in words
        if self.has_entities or HINT.search(text):
            yield from self._public.marked(text, self._recognisers.find(text))

    def redact(self, text: str) -> str:
        """`text` with <KIND> for all personal data; cannot be undone. For logs, and for what a model says."""
        plain = normalise(text)
        masked = replaced(text, plain, ((span, f"<{span.kind}>") for span in self.find(plain)))
        if self._names is None:
            return masked
        plain = normalise(masked)
        return replaced(masked, plain, ((span, f"<{NAME}>") for span in self.names(plain.text)[0]))

    def mask(self, text: str, vault: Vault) -> str:
        """`text` with <KIND_n> for every piece of personal data; a value keeps its n as long as the vault lives."""
        plain = normalise(text)
        spans = [*self.overlapping(plain.text), *_typed(plain.text), *vault.known(plain.text)]
        masked = replaced(
            text, plain, ((span, _placeholder(text, plain, span, vault)) for span in private(joined(spans)))
        )
        if self._names is None:
            return masked
        plain = normalise(masked)
        named = joined([*self.names(plain.text)[0], *vault.known_names(plain.text)])
        return replaced(masked, plain, ((span, _placeholder(masked, plain, span, vault)) for span in named))

    def names(self, text: str, begin: int = 0, at_end: bool = True) -> tuple[list[Span], int]:
        """People's names in normalised text whose other personal data is masked, and up to where they are certain.

        `begin`: 0 or how far it was certain before. Names do not overlap. Raises what the model raises.
        """
        if self._names is None:
            return [], len(text)
        found: list[Span] = []
        certain = begin
        for piece in pieces(text, begin, at_end):
            for span in self._names.find(text[piece.first : piece.last]):
                start, end = max(piece.start, piece.first + span.start), min(piece.end, piece.first + span.end)
                if start < end:
                    found.append(Span(NAME, start, end, span.score))
            certain = piece.end
        masked = [match.span() for match in self._masked.finditer(text)]
        return [span for span in found if not any(first <= span.start < last for first, last in masked)], certain

    @staticmethod
    def restore(text: str, vault: Vault) -> str:
        """`text` with the vault's values in the place of its placeholders; unknown placeholders stay."""
        return PLACEHOLDER.sub(lambda match: vault.value(match.group()), text)


def private(spans: Iterable[Span]) -> list[Span]:
    """Those that are to be masked."""
    return [span for span in spans if span.kind != PUBLIC]


def _typed(text: str) -> Iterator[Span]:
    for match in PLACEHOLDER.finditer(text):
        yield Span(TYPED, match.start(), match.end(), 0.1)


def _placeholder(text: str, plain: Normalised, span: Span, vault: Vault) -> str:
    start, end = plain.source_span(span.start, span.end)
    return vault.placeholder(span.kind, plain.text[span.start : span.end], text[start:end])


def replaced(text: str, plain: Normalised, replacements: Iterable[tuple[Span, str]]) -> str:
    """`text` with the spans of its normalised form replaced; they are in order and do not overlap."""
    pieces: list[str] = []
    done = 0
    for span, replacement in replacements:
        start, end = plain.source_span(span.start, span.end)
        pieces += [text[done:start], replacement]
        done = end
    return "".join([*pieces, text[done:]])
