"""A chunk's vectors: one a window of its sentences, each mixed with that of the whole chunk.

A question is close to the sentence that answers it, and a sentence alone does not say what it is about. Measured on
examples/knowledge: docs/retrieval.md.
"""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from banktuner_gateway.retrieval.chunks import sentences
from banktuner_gateway.retrieval.objects import Folder, ObjectMissingError
from banktuner_gateway.retrieval.stores.base import Rows
from banktuner_gateway.retrieval.types import Chunk, Vectors, embedded_text

WINDOW_SENTENCES = 3
METHOD = f"windows-{WINDOW_SENTENCES}-1"
"""Part of what an index is told apart by: other vectors of the same chunk are another index."""
CHUNKS_A_ROUND = 64
ROUNDS_A_SAVE = 16

Progress = Callable[[int, int], None]


class Encoder(Protocol):
    """What is asked of an encoder here."""

    digest: str

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(texts, dimension), rows of length 1."""
        ...


def embed_chunk_texts(chunk: Chunk) -> list[str]:
    """What the encoder reads of a chunk: all of it, then each window of sentences below its nearest heading."""
    found = [one.strip() for line in chunk.text.splitlines() for one in sentences(line) if one.strip()]
    heading = chunk.section or chunk.title
    count = max(1, len(found) - WINDOW_SENTENCES + 1)
    windows = [" ".join(found[first : first + WINDOW_SENTENCES]) for first in range(count)]
    return [embedded_text(chunk.title, chunk.section, chunk.text), *(f"{heading}. {window}" for window in windows)]


def mixed(vectors: Vectors) -> Vectors:
    """From those of `embed_chunk_texts` to a chunk's vectors: (windows, dimension), rows of length 1."""
    sums = vectors[1:] + vectors[:1]
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def embed(chunks: Sequence[Chunk], encoder: Encoder) -> dict[str, Vectors]:
    """The vectors of each chunk, by its sha256. Takes CPU time: about 30 ms a chunk with MiniLM."""
    texts = [embed_chunk_texts(chunk) for chunk in chunks]
    vectors = encoder.encode([text for several in texts for text in several])
    ends = np.cumsum([len(several) for several in texts])
    pieces = np.split(vectors, ends[:-1])
    return {chunk.sha256: mixed(piece) for chunk, piece in zip(chunks, pieces, strict=True)}


class Embeddings:
    """Vectors that were made before, in a file of the index's folder; chunks that did not change need no encoder."""

    def __init__(self, folder: Folder, encoder: Encoder) -> None:
        """Reads the file. A file that cannot be read counts as none. Raises RetrievalError."""
        self._folder = folder
        self._encoder = encoder
        tag = hashlib.sha256(f"{METHOD} {encoder.digest}".encode()).hexdigest()[:12]
        self._name = f"embeddings/{tag}.npz"
        self._known = self._read()

    def rows(self, chunks: Sequence[Chunk], progress: Progress) -> tuple[Rows, int]:
        """A row for each vector of each chunk, and how many chunks were embedded anew. Takes CPU time."""
        wanted = {chunk.sha256: chunk for chunk in chunks}
        missing = [chunk for digest, chunk in wanted.items() if digest not in self._known]
        for number, first in enumerate(range(0, len(missing), CHUNKS_A_ROUND), start=1):
            self._known |= embed(missing[first : first + CHUNKS_A_ROUND], self._encoder)
            progress(min(first + CHUNKS_A_ROUND, len(missing)), len(missing))
            if number % ROUNDS_A_SAVE == 0:
                self._save(self._known)
        self._known = {digest: self._known[digest] for digest in wanted}
        self._save(self._known)
        repeated = [chunk for chunk in chunks for _ in self._known[chunk.sha256]]
        return Rows(repeated, np.concatenate([self._known[chunk.sha256] for chunk in chunks])), len(missing)

    def _read(self) -> dict[str, Vectors]:
        try:
            with np.load(io.BytesIO(self._folder.get(self._name).data), allow_pickle=False) as file:
                return dict(zip(map(str, file["sha256"]), np.split(file["vectors"], file["ends"][:-1]), strict=True))
        # numpy reports a file that is none in several ways; the vectors are then made again.
        except (ObjectMissingError, ValueError, KeyError, OSError, EOFError):
            return {}

    def _save(self, known: Mapping[str, Vectors]) -> None:
        file = io.BytesIO()
        vectors = np.concatenate(list(known.values()))
        np.savez(
            file, sha256=np.array(list(known)), ends=np.cumsum([len(one) for one in known.values()]), vectors=vectors
        )
        self._folder.put(self._name, file.getvalue())
