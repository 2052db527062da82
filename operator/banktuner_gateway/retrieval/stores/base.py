"""What is asked of a vector store: whole generations, written beside the one that is searched."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from banktuner_gateway.retrieval.errors import RetrievalError, store_unavailable
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

ROWS_A_REQUEST = 100
"""Pinecone takes at most 2 MB a request, the strictest of all; a row is about 4 kB of JSON."""


@dataclass(frozen=True)
class Rows:
    """One chunk a vector; a chunk with several vectors is in `chunks` as often."""

    chunks: Sequence[Chunk]
    vectors: Vectors

    def batches(self) -> Iterator[tuple[int, "Rows"]]:
        """Pieces for one request each, with the place of their first row."""
        for first in range(0, len(self.chunks), ROWS_A_REQUEST):
            last = first + ROWS_A_REQUEST
            yield first, Rows(self.chunks[first:last], self.vectors[first:last])


class VectorStore(Protocol):
    """One collection of a vendor. A generation is a name of letters and digits; names in their order are in time.

    Every method waits for I/O and may be called by several threads. All raise RetrievalError.
    """

    def write(self, generation: str, rows: Rows) -> None:
        """Write a new generation; when it returns, all of it can be searched, and no other generation has changed."""
        ...

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """The `count` rows next to `vector` (shape (dimension,), length 1), best first."""
        ...

    def generations(self) -> list[str]:
        """Those that are there, half-written ones too, in their order."""
        ...

    def drop(self, generation: str) -> None:
        """Remove a generation; one that is not there does not matter."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@contextmanager
def vendor_errors(vendor: str) -> Iterator[None]:
    """Any error of a vendor's client becomes a RetrievalError: each client has dozens of types, and raises others'."""
    try:
        yield
    except RetrievalError:
        raise
    except Exception as error:
        raise store_unavailable(vendor, error) from None


def generation_of(name: str, collection: str) -> str | None:
    """The generation of a vendor's collection named `<collection>_<generation>`; None for foreign ones."""
    start, _, generation = name.rpartition("_")
    ours = start.lower() == collection.lower() and generation.startswith("g") and generation.isalnum()
    return generation if ours else None
