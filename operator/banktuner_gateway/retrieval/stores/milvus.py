"""Milvus: a collection a generation, on the vendor's client."""

from pymilvus import DataType, MilvusClient

from banktuner_gateway.retrieval.stores.base import Rows, generation_of, vendor_errors
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

VENDOR = "Milvus"
SECONDS = 10.0


class MilvusStore:
    """See VectorStore."""

    def __init__(self, client: MilvusClient, collection: str) -> None:
        """`client`: of a server or of a Milvus Lite file."""
        self._client = client
        self._collection = collection

    @classmethod
    def connect(cls, url: str, collection: str, key: str | None) -> "MilvusStore":
        """A server; `key` is `user:password` or a token. Raises RetrievalError."""
        with vendor_errors(VENDOR):
            return cls(MilvusClient(uri=url, token=key or "", timeout=SECONDS), collection)

    def write(self, generation: str, rows: Rows) -> None:
        """See VectorStore. Consistency is strong, so that what was written is searched."""
        name = self._name(generation)
        with vendor_errors(VENDOR):
            schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False)
            schema.add_field("row", DataType.INT64, is_primary=True)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=int(rows.vectors.shape[1]))
            schema.add_field("chunk", DataType.JSON)
            index = self._client.prepare_index_params()
            index.add_index("vector", index_type="AUTOINDEX", metric_type="COSINE")
            self._client.create_collection(name, schema=schema, index_params=index, consistency_level="Strong")
            for first, batch in rows.batches():
                lines = [
                    {"row": first + place, "vector": vector.tolist(), "chunk": chunk.to_json()}
                    for place, (chunk, vector) in enumerate(zip(batch.chunks, batch.vectors, strict=True))
                ]
                self._client.insert(name, lines)
            self._client.flush(name)
            self._client.load_collection(name)

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            (hits,) = self._client.search(
                self._name(generation), [vector.tolist()], limit=count, output_fields=["chunk"]
            )
            return [Passage(Chunk.from_json(hit["entity"]["chunk"]), float(hit["distance"])) for hit in hits]

    def generations(self) -> list[str]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            names = self._client.list_collections()
        return sorted(found for name in names if (found := generation_of(name, self._collection)))

    def drop(self, generation: str) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            if self._client.has_collection(self._name(generation)):
                self._client.drop_collection(self._name(generation))

    def close(self) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            self._client.close()

    def _name(self, generation: str) -> str:
        return f"{self._collection}_{generation}"
