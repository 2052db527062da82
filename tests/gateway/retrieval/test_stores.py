"""What every vector store must do, asked of each vendor's client."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from banktuner_api.gateway import VectorStore as StoreSettings
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import RetrievalConfig
from banktuner_gateway.retrieval.errors import RetrievalError
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.stores import open_vector_store
from banktuner_gateway.retrieval.stores.base import Rows, VectorStore
from banktuner_gateway.retrieval.stores.faiss import FaissStore
from tests.gateway.retrieval import weaviate_server
from tests.gateway.retrieval.conftest import chunk, rows

OLD, NEW = "g20260101t000000aaaaaa", "g20260102t000000bbbbbb"


def test_the_nearest_come_first_with_their_cosine(store: VectorStore) -> None:
    written = rows("fees.md", 250)
    store.write(OLD, written)
    question = rows("", 1, seed=7).vectors[0]
    cosines = written.vectors @ question
    nearest = np.argsort(-cosines)[:5]
    found = store.search(OLD, question, 5)
    assert [passage.chunk for passage in found] == [written.chunks[place] for place in nearest]
    assert [passage.score for passage in found] == pytest.approx(cosines[nearest].tolist(), abs=1e-4)


def test_generations_do_not_mix(store: VectorStore) -> None:
    old, new = rows("old.md", 20), rows("new.md", 30)
    store.write(OLD, old)
    store.write(NEW, new)
    assert store.generations() == [OLD, NEW]
    question = old.vectors[3]
    assert {passage.chunk.document for passage in store.search(OLD, question, 10)} == {"old.md"}
    assert {passage.chunk.document for passage in store.search(NEW, question, 10)} == {"new.md"}
    store.drop(OLD)
    assert store.generations() == [NEW]
    assert len(store.search(NEW, question, 100)) == 30
    store.drop(OLD)
    assert store.generations() == [NEW]


def test_text_comes_back_as_it_was(store: VectorStore) -> None:
    text = 'A "quote", a backslash \\, a brace }, €2.50, Ünïcödé, 日本\nand a second line.'
    written = Rows([chunk("a folder/näme.md", 3, text)], np.eye(1, 8, dtype=np.float32))
    store.write(OLD, written)
    (passage,) = store.search(OLD, written.vectors[0], 4)
    assert passage.chunk == written.chunks[0]


def test_weaviate_rows_that_are_refused_fail_the_write() -> None:
    from banktuner_gateway.retrieval.stores.weaviate import WeaviateStore

    server = weaviate_server.WeaviateServer()
    server.refused = {"00000000-0000-0000-0000-000000000002"}
    store = WeaviateStore.connect(server.url, "banktuner", weaviate_server.KEY, server.grpc_port)
    with pytest.raises(RetrievalError, match="Weaviate failed") as raised:
        store.write(OLD, rows("fees.md", 3))
    assert "Text" not in raised.value.message
    store.close()
    server.stop()


def test_a_faiss_file_that_was_changed_is_refused(index: Folder) -> None:
    FaissStore(index).write(OLD, rows("fees.md", 3))
    changed = index.get(f"{OLD}/chunks.jsonl").data.replace(b"Text 1", b"Text X")
    index.put(f"{OLD}/chunks.jsonl", changed)
    with pytest.raises(RetrievalError, match="not what its manifest says"):
        FaissStore(index).search(OLD, rows("", 1).vectors[0], 1)


def test_a_faiss_generation_without_manifest_is_not_whole(index: Folder) -> None:
    store = FaissStore(index)
    store.write(OLD, rows("fees.md", 3))
    index.delete(f"{OLD}/manifest.json")
    with pytest.raises(RetrievalError, match="not whole"):
        store.search(OLD, rows("", 1).vectors[0], 1)


@pytest.mark.parametrize("kind", ["Chroma", "Milvus", "Weaviate", "Qdrant", "Pinecone"])
def test_a_server_that_is_away_is_one_error_of_ours(kind: str, index: Folder) -> None:
    settings = StoreSettings(type=kind, url="http://127.0.0.1:9")
    config = RetrievalConfig(
        documents=ObjectRef(uri="s3://bank/policies"),
        embedding=ObjectRef(uri="s3://bank/encoder"),
        index=ObjectRef(uri="s3://bank/index"),
        vector_store=settings,
        api_key_variable="STORE_KEY",
    )
    with pytest.raises(RetrievalError) as raised:
        open_vector_store(config, index, {"STORE_KEY": "s3cret"}).search(OLD, rows("", 1).vectors[0], 1)
    assert raised.value.reason == "VectorStoreUnavailable"
    assert "s3cret" not in raised.value.message
    with pytest.raises(RetrievalError, match="apiKey"):
        open_vector_store(config, index, {})


def test_only_the_configured_vendors_client_is_imported() -> None:
    clients = ["chromadb", "pymilvus", "weaviate", "qdrant_client", "pinecone", "faiss", "torch"]
    code = (
        "import sys, json, banktuner_gateway.retrieval.__main__, banktuner_gateway.retrieval.retriever;"
        f"print(json.dumps([name for name in {clients} if name in sys.modules]))"
    )
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parents[3] / "operator")}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert json.loads(run.stdout) == []
