"""Vector stores: one small interface, a module a vendor, and only the configured vendor's client is imported."""

import importlib
from collections.abc import Mapping
from typing import Any, cast

from banktuner_api.serving import RetrievalConfig
from banktuner_gateway.retrieval.errors import invalid_config
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.stores.base import VectorStore

_CLASSES = {
    "FAISS": ("faiss", "FaissStore", "faiss-cpu"),
    "Chroma": ("chroma", "ChromaStore", "chromadb-client"),
    "Milvus": ("milvus", "MilvusStore", "pymilvus"),
    "Qdrant": ("qdrant", "QdrantStore", "qdrant-client"),
    "Weaviate": ("weaviate", "WeaviateStore", "weaviate-client"),
    "Pinecone": ("pinecone", "PineconeStore", "pinecone"),
}


def open_vector_store(config: RetrievalConfig, index: Folder, environment: Mapping[str, str]) -> VectorStore:
    """The configured store; FAISS keeps its files in `index`. Connects. Raises RetrievalError."""
    settings = config.vector_store
    if settings.type == "FAISS":
        return cast(VectorStore, _class("FAISS")(index))
    if settings.url is None:
        raise invalid_config(f"vectorStore.url is needed for {settings.type}", "knowledge.vectorStore.url")
    key = environment.get(config.api_key_variable, "").strip() if config.api_key_variable else None
    if key == "":
        message = "the Secret needs the key apiKey"
        raise invalid_config(f"vectorStore.secretRef: {message}", "knowledge.vectorStore.secretRef")
    return cast(VectorStore, _class(settings.type).connect(settings.url, settings.collection, key))


def _class(kind: str) -> Any:
    module, name, package = _CLASSES[kind]
    try:
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    except ImportError as error:
        message = f"vectorStore.type {kind} needs the package {package} in the gateway's image"
        raise invalid_config(message, "knowledge.vectorStore.type") from error
