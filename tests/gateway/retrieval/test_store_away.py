"""An object store that is away when the gateway starts: it answers without documents, says so, and finds them later."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from banktuner_gateway.retrieval import retriever as retrieval
from banktuner_gateway.retrieval.config import load_config
from banktuner_gateway.retrieval.errors import RetrievalError, invalid_config
from banktuner_gateway.retrieval.retriever import Retriever, Searched, open_retriever
from tests.contract.harness import S3Server
from tests.gateway.harness import AUTH, CHAT
from tests.gateway.retrieval.test_job import PREFIX, run_job, s3, settings

__all__ = ["s3"]


def test_a_gateway_whose_object_store_is_away_answers_without_documents(
    files: Path, start_gateway, engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "s3cret", "ENDPOINT_URL": "http://127.0.0.1:9"}
    for name, value in away.items():
        monkeypatch.setenv(f"{PREFIX}AWS_{name}", value)
    (files / "retrieval.json").write_text(json.dumps(settings()))
    with httpx.Client(base_url=start_gateway()) as client:
        readiness = client.get("/readyz")
        answer = client.post(CHAT, json={"message": "How do I freeze my card?"}, headers=AUTH)
    assert (readiness.status_code, readiness.json()["reasons"]) == (200, [])
    assert readiness.json()["warnings"] == ["documents: knowledge.embedding: no answer"]
    assert (answer.status_code, answer.json()["sources"]) == (200, [])


def test_a_search_begins_when_the_object_store_is_back(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "FIRST_SECONDS", 0.1)
    secret = s3.secret(PREFIX)
    assert run_job(tmp_path, settings(), secret).returncode == 0
    s3.kill()
    searching = open_retriever(load_config(tmp_path / "retrieval.json"), secret, tmp_path / "searched")
    searching.start()
    assert searching.problem is not None and searching.search("How do I freeze my card?") == []
    searching.stop()
    s3.start()
    searching.refresh()
    assert "Freezing a card" in {one.chunk.section for one in searching.search("How do I freeze my card?")}


def test_two_threads_do_not_connect_at_once() -> None:
    connecting = threading.Lock()

    def connect() -> Searched:
        assert connecting.acquire(blocking=False)
        time.sleep(0.1)
        connecting.release()
        raise invalid_config("away", "knowledge.embedding.uri")

    searching = Retriever(connect, top_k=4)
    with ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(searching.refresh) for _ in range(2)]
    assert [type(one.exception()) for one in asked] == [RetrievalError, RetrievalError]
