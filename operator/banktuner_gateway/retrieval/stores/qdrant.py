"""Qdrant: a collection a generation, on the vendor's client."""

from qdrant_client import QdrantClient, models

from banktuner_gateway.retrieval.stores.base import Rows, generation_of, vendor_errors
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

VENDOR = "Qdrant"
SECONDS = 10


class QdrantStore:
    """See VectorStore."""

    def __init__(self, client: QdrantClient, collection: str) -> None:
        """`client`: of a server or of a folder."""
        self._client = client
        self._collection = collection

    @classmethod
    def connect(cls, url: str, collection: str, key: str | None) -> "QdrantStore":
        """A server, asked by REST. Raises RetrievalError."""
        with vendor_errors(VENDOR):
            return cls(QdrantClient(url=url, api_key=key, timeout=SECONDS), collection)

    def write(self, generation: str, rows: Rows) -> None:
        """See VectorStore."""
        size = int(rows.vectors.shape[1])
        with vendor_errors(VENDOR):
            self._client.create_collection(
                self._name(generation), models.VectorParams(size=size, distance=models.Distance.COSINE)
            )
            for first, batch in rows.batches():
                points = [
                    models.PointStruct(id=first + place, vector=vector.tolist(), payload=chunk.to_json())
                    for place, (chunk, vector) in enumerate(zip(batch.chunks, batch.vectors, strict=True))
                ]
                self._client.upsert(self._name(generation), points, wait=True)

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            answer = self._client.query_points(
                self._name(generation), query=vector.tolist(), limit=count, with_payload=True
            )
            return [Passage(Chunk.from_json(point.payload or {}), point.score) for point in answer.points]

    def generations(self) -> list[str]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            names = [collection.name for collection in self._client.get_collections().collections]
        return sorted(found for name in names if (found := generation_of(name, self._collection)))

    def drop(self, generation: str) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            self._client.delete_collection(self._name(generation))

    def close(self) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            self._client.close()

    def _name(self, generation: str) -> str:
        return f"{self._collection}_{generation}"
