"""Chroma: a collection a generation, on the vendor's HTTP client."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import chromadb
from chromadb.config import Settings
from chromadb.errors import NotFoundError

from banktuner_gateway.retrieval.stores.base import Rows, generation_of, vendor_errors
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

VENDOR = "Chroma"


class ChromaStore:
    """See VectorStore."""

    def __init__(self, client: "ClientAPI", collection: str) -> None:
        """`client`: any of the vendor's."""
        self._client = client
        self._collection = collection

    @classmethod
    def connect(cls, url: str, collection: str, key: str | None) -> "ChromaStore":
        """A server; `key` is sent as bearer token. Raises RetrievalError."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        with vendor_errors(VENDOR):
            client = chromadb.HttpClient(
                host=parts.hostname or "",
                port=parts.port or (443 if secure else 80),
                ssl=secure,
                headers={"Authorization": f"Bearer {key}"} if key else None,
                # The client would tell the vendor how it is used.
                settings=Settings(anonymized_telemetry=False),
            )
            return cls(client, collection)

    def write(self, generation: str, rows: Rows) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            made = self._client.create_collection(
                self._name(generation), configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
            )
            for first, batch in rows.batches():
                made.add(
                    ids=[str(first + place) for place in range(len(batch.chunks))],
                    embeddings=batch.vectors,
                    metadatas=[chunk.to_json() for chunk in batch.chunks],
                )

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """See VectorStore. Chroma tells the cosine's distance from 1."""
        with vendor_errors(VENDOR):
            collection = self._client.get_collection(self._name(generation), embedding_function=None)
            answer = collection.query(query_embeddings=[vector], n_results=count, include=["metadatas", "distances"])
            fields, distances = (answer["metadatas"] or [[]])[0], (answer["distances"] or [[]])[0]
            return [
                Passage(Chunk.from_json(dict(one)), 1 - distance)
                for one, distance in zip(fields, distances, strict=True)
            ]

    def generations(self) -> list[str]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            names = [collection.name for collection in self._client.list_collections()]
        return sorted(found for name in names if (found := generation_of(name, self._collection)))

    def drop(self, generation: str) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            try:
                self._client.delete_collection(self._name(generation))
            except NotFoundError:
                return

    def close(self) -> None:
        """See VectorStore. The client closes its connections itself."""

    def _name(self, generation: str) -> str:
        return f"{self._collection}_{generation}"
