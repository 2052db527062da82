"""A gateway with documents: what a caller and the record are told of them."""

import json
from pathlib import Path

import httpx
import numpy as np
import pytest

from banktuner_api.gateway import REJECTION
from banktuner_gateway import build
from banktuner_gateway.retrieval import pointer
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.pointer import Current
from banktuner_gateway.retrieval.retriever import Retriever, Searched
from banktuner_gateway.retrieval.stores.faiss import FaissStore
from tests.gateway.harness import AUTH, CHAT, events
from tests.gateway.retrieval.conftest import rows
from tests.gateway.retrieval.test_job import settings
from tests.gateway.trail import VOLUME, decisions, make_trail

DIGEST = f"sha256:{'d' * 64}"
LONG = "policies/" + "2026/" * 200 + "fees.md"


class Encoder:
    """In the place of a model: what is near does not matter here."""

    digest, dimension, max_tokens = DIGEST, 8, 256

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.full((len(texts), 8), 8**-0.5, dtype=np.float32)


@pytest.fixture
def with_documents(files: Path, start_gateway, index: Folder, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of a gateway that finds one document, whose path is 1,016 characters long, and keeps records."""
    store = FaissStore(index)
    store.write("g1", rows(LONG, 2))
    described = {"generation": "g1", "created": "2026-03-01T10:00:00Z", "encoder": DIGEST, "content": DIGEST}
    counted = {"store": "FAISS", "dimension": 8, "documents": 1, "chunks": 2}
    pointer.switch(index, Current.model_validate(described | counted), pointer.read(index))
    searching = Retriever(lambda: Searched(Encoder(), store, index), 4)  # type: ignore[arg-type]
    monkeypatch.setattr(build, "open_retriever", lambda *_: searching)
    (files / "retrieval.json").write_text(json.dumps(settings()))
    make_trail(files)
    return start_gateway(audit=VOLUME)


def ask(address: str, stream: bool) -> dict:
    with httpx.Client(base_url=address) as client:
        answer = client.post(CHAT, json={"message": "What are the fees?", "stream": stream}, headers=AUTH)
    assert answer.status_code == 200
    return events(answer.text)[-1][1] if stream else answer.json()


@pytest.mark.parametrize("stream", [False, True])
def test_a_document_with_a_long_path_is_named_and_on_record(files: Path, with_documents: str, stream: bool) -> None:
    assert {one["document"] for one in ask(with_documents, stream)["sources"]} == {LONG}
    last = decisions(files)[-1]
    assert last["outcome"] == "answered"
    assert [one["document"].partition("~")[0] for one in last["sources"]] == [LONG[:447]] * 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_refusal_names_no_source_though_the_model_gave_it(
    files: Path, with_documents: str, engine, stream: bool
) -> None:
    engine.says = REJECTION
    whole = ask(with_documents, stream)
    assert (whole["refused"], whole["sources"]) == (True, [])
    assert len(decisions(files)[-1]["sources"]) == 2, "what the model was given"
