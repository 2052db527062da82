"""Vector stores: one small interface, a module a vendor, and only the configured vendor's client is imported."""

import importlib
from collections.abc import Mapping
from typing import cast

from banktuner_api.gateway import VectorStore as StoreSettings
from banktuner_gateway.retrieval.config import RetrievalConfig
from banktuner_gateway.retrieval.errors import invalid_config
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.stores.base import VectorStore
from banktuner_gateway.retrieval.stores.faiss import FaissStore

_REMOTE = {
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
        return FaissStore(index)
    if settings.url is None:
        raise invalid_config(f"vectorStore.url is needed for {settings.type}", "knowledge.vectorStore.url")
    key = environment.get(config.api_key_variable, "").strip() if config.api_key_variable else None
    if key == "":
        message = "the Secret needs the key apiKey"
        raise invalid_config(f"vectorStore.secretRef: {message}", "knowledge.vectorStore.secretRef")
    return _open_remote(settings, settings.url, key)


def _open_remote(settings: StoreSettings, url: str, key: str | None) -> VectorStore:
    module, name, package = _REMOTE[settings.type]
    try:
        store = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    except ImportError as error:
        message = f"vectorStore.type {settings.type} needs the package {package} in the gateway's image"
        raise invalid_config(message, "knowledge.vectorStore.type") from error
    return cast(VectorStore, store.connect(url, settings.collection, key))
