"""Weaviate: a collection a generation, on the vendor's client (REST for collections, gRPC for rows and searches)."""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import UUID

import weaviate
from weaviate.classes.config import Configure, DataType, Property, VectorDistances
from weaviate.classes.data import DataObject
from weaviate.classes.init import AdditionalConfig, Auth, Timeout
from weaviate.classes.query import MetadataQuery

from banktuner_gateway.retrieval.stores.base import Rows, generation_of, vendor_errors
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

if TYPE_CHECKING:
    from weaviate import WeaviateClient

VENDOR = "Weaviate"
GRPC_PORT = 50051
SECONDS = Timeout(init=5, query=10, insert=60)
_TEXTS = ("document", "title", "section", "text", "sha256")


class RowsRefusedError(Exception):
    """Weaviate took some rows of a batch and refused others."""


class WeaviateStore:
    """See VectorStore."""

    def __init__(self, client: "WeaviateClient", collection: str) -> None:
        """`client`: connected."""
        self._client = client
        # A collection's name begins with a capital letter there.
        self._collection = collection[0].upper() + collection[1:]

    @classmethod
    def connect(cls, url: str, collection: str, key: str | None, grpc_port: int = GRPC_PORT) -> "WeaviateStore":
        """A server, whose gRPC is on the same host. Raises RetrievalError."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        with vendor_errors(VENDOR):
            client = weaviate.connect_to_custom(
                http_host=parts.hostname or "",
                http_port=parts.port or (443 if secure else 80),
                http_secure=secure,
                grpc_host=parts.hostname or "",
                grpc_port=grpc_port,
                grpc_secure=secure,
                auth_credentials=Auth.api_key(key) if key else None,
                additional_config=AdditionalConfig(timeout=SECONDS),
            )
            return cls(client, collection)

    def write(self, generation: str, rows: Rows) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            made = self._client.collections.create(
                self._name(generation),
                properties=[
                    *(Property(name=name, data_type=DataType.TEXT, index_searchable=False) for name in _TEXTS),
                    Property(name="position", data_type=DataType.INT),
                ],
                vector_config=Configure.Vectors.self_provided(
                    vector_index_config=Configure.VectorIndex.hnsw(distance_metric=VectorDistances.COSINE)
                ),
            )
            for first, batch in rows.batches():
                answer = made.data.insert_many(
                    [
                        DataObject(properties=chunk.to_json(), uuid=UUID(int=first + place + 1), vector=vector.tolist())
                        for place, (chunk, vector) in enumerate(zip(batch.chunks, batch.vectors, strict=True))
                    ]
                )
                if answer.has_errors:
                    raise RowsRefusedError

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """See VectorStore. Weaviate tells the cosine's distance from 1."""
        with vendor_errors(VENDOR):
            collection = self._client.collections.use(self._name(generation))
            answer = collection.query.near_vector(
                vector.tolist(), limit=count, return_metadata=MetadataQuery(distance=True)
            )
            return [
                Passage(Chunk.from_json(dict(one.properties)), 1 - float(one.metadata.distance or 0))
                for one in answer.objects
            ]

    def generations(self) -> list[str]:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            names = list(self._client.collections.list_all(simple=True))
        return sorted(found for name in names if (found := generation_of(name, self._collection)))

    def drop(self, generation: str) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            self._client.collections.delete(self._name(generation))

    def close(self) -> None:
        """See VectorStore."""
        with vendor_errors(VENDOR):
            self._client.close()

    def _name(self, generation: str) -> str:
        return f"{self._collection}_{generation}"
