import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obstore.store import MemoryStore

from banktuner_gateway.retrieval.encoder import SentenceEncoder
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.stores.base import Rows, VectorStore
from banktuner_gateway.retrieval.stores.faiss import FaissStore
from banktuner_gateway.retrieval.types import Chunk
from bench.gateway.retrieval_encoder import encoder_folder
from tests.gateway.retrieval import pinecone_server, weaviate_server
from tests.support.ports import free_port

KNOWLEDGE = Path(__file__).resolve().parents[3] / "examples" / "knowledge"


@pytest.fixture(scope="session")
def encoder() -> SentenceEncoder:
    return SentenceEncoder(encoder_folder())


@pytest.fixture
def bucket() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def index(bucket: MemoryStore) -> Folder:
    return Folder(bucket, "index", "knowledge.documents")


@pytest.fixture
def documents(bucket: MemoryStore) -> Folder:
    return Folder(bucket, "policies", "knowledge.documents")


def chunk(document: str, position: int, text: str = "") -> Chunk:
    return Chunk(document, "Fees", "Cash machines", position, text or f"Text {position} of {document}.", "0" * 64)


def rows(document: str, count: int, seed: int = 0) -> Rows:
    """`count` random rows of length 1 and 8 numbers."""
    vectors = np.random.default_rng(seed).normal(size=(count, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Rows([chunk(document, place) for place in range(count)], vectors)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def chroma_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Chroma's own server, on a folder."""
    port = free_port()
    program = Path(sys.executable).with_name("chroma")
    folder = tmp_path_factory.mktemp("chroma")
    command = [program, "run", "--path", folder, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while not _answers(port):
        if time.monotonic() > deadline or server.poll() is not None:
            pytest.fail("Chroma's server did not start")
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(20)


def _chroma(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    from banktuner_gateway.retrieval.stores.chroma import ChromaStore

    name = f"test{time.monotonic_ns()}"
    yield ChromaStore.connect(request.getfixturevalue("chroma_url"), name, None)


def _faiss(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    yield FaissStore(request.getfixturevalue("index"))


def _milvus(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    from banktuner_gateway.retrieval.stores.milvus import MilvusStore

    store = MilvusStore.connect(str(request.getfixturevalue("tmp_path") / "milvus.db"), "banktuner", None)
    yield store
    store.close()


def _qdrant(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    from qdrant_client import QdrantClient

    from banktuner_gateway.retrieval.stores.qdrant import QdrantStore

    store = QdrantStore(QdrantClient(path=str(request.getfixturevalue("tmp_path"))), "banktuner")
    yield store
    store.close()


def _pinecone(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    from banktuner_gateway.retrieval.stores.pinecone import PineconeStore

    server = pinecone_server.PineconeServer()
    store = PineconeStore.connect(server.url, "banktuner", pinecone_server.KEY)
    yield store
    store.close()
    server.shutdown()
    server.server_close()
    assert server.problems == []


def _weaviate(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    from banktuner_gateway.retrieval.stores.weaviate import WeaviateStore

    server = weaviate_server.WeaviateServer()
    store = WeaviateStore.connect(server.url, "banktuner", weaviate_server.KEY, server.grpc_port)
    yield store
    store.close()
    server.stop()


STORES: dict[str, Callable[[pytest.FixtureRequest], Iterator[Any]]] = {
    "FAISS": _faiss,
    "Chroma": _chroma,
    "Milvus": _milvus,
    "Qdrant": _qdrant,
    "Weaviate": _weaviate,
    "Pinecone": _pinecone,
}


@pytest.fixture(params=list(STORES))
def store(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    """Every vendor's in turn: real ones, and for Weaviate and Pinecone servers of their published API."""
    yield from STORES[request.param](request)
