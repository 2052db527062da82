"""Pinecone: a namespace a generation of one index (metric cosine, the encoder's dimension), on the vendor's client."""

import time
from typing import TYPE_CHECKING

from pinecone import Pinecone
from pinecone.errors import NotFoundError

from banktuner_gateway.retrieval.errors import invalid_config
from banktuner_gateway.retrieval.stores.base import Rows, generation_of, vendor_errors
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

if TYPE_CHECKING:
    from pinecone import Index

VENDOR = "Pinecone"
SECONDS = 10.0
VISIBLE_SECONDS = 300.0
"""Within which all that was written must be counted; Pinecone's writes become visible a little later."""
PAUSE_SECONDS = 1.0


class PineconeStore:
    """See VectorStore."""

    def __init__(self, index: "Index", collection: str) -> None:
        """`index`: the vendor's data client."""
        self._index = index
        self._collection = collection

    @classmethod
    def connect(cls, url: str, collection: str, key: str | None) -> "PineconeStore":
        """`url`: the index's host, as Pinecone's console shows it. Raises RetrievalError."""
        if key is None:
            raise invalid_config("vectorStore.secretRef is needed for Pinecone", "knowledge.vectorStore.secretRef")
        with vendor_errors(VENDOR):
            return cls(Pinecone(api_key=key, timeout=SECONDS).index(host=url), collection)

    def write(self, generation: str, rows: Rows) -> None:
        """See VectorStore."""
        name = self._name(generation)
        with vendor_errors(VENDOR):
            for first, batch in rows.batches():
                vectors = [
                    {"id": str(first + place), "values": vector.tolist(), "metadata": chunk.to_json()}
                    for place, (chunk, vector) in enumerate(zip(batch.chunks, batch.vectors, strict=True))
                ]
                self._index.upsert(vectors=vectors, namespace=name, show_progress=False)
            self._wait_until_visible(name, len(rows.chunks))

    def _wait_until_visible(self, name: str, count: int) -> None:
        deadline = time.monotonic() + VISIBLE_SECONDS
        while True:
            summary = self._index.describe_index_stats().namespaces.get(name)
            if summary is not None and summary.vector_count >= count:
                return
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(PAUSE_SECONDS)

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            answer = self._index.query(
                vector=vector.tolist(), top_k=count, namespace=self._name(generation), include_metadata=True
            )
            return [Passage(Chunk.from_json(dict(match.metadata or {})), match.score) for match in answer.matches]

    def generations(self) -> list[str]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            names = list(self._index.describe_index_stats().namespaces)
        return sorted(found for name in names if (found := generation_of(name, self._collection)))

    def drop(self, generation: str) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            try:
                self._index.delete_namespace(name=self._name(generation))
            except NotFoundError:
                return

    def close(self) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            self._index.close()

    def _name(self, generation: str) -> str:
        return f"{self._collection}_{generation}"
