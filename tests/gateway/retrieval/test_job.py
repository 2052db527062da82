"""The Job as a process, on a real S3 server: documents and encoder from the bucket, index into it, typed exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from banktuner_api.common import Json
from banktuner_api.exit_codes import ExitCode
from banktuner_gateway.retrieval import pointer
from banktuner_gateway.retrieval import retriever as retriever_module
from banktuner_gateway.retrieval.config import load_config
from banktuner_gateway.retrieval.errors import RetrievalError
from banktuner_gateway.retrieval.objects import open_folder
from banktuner_gateway.retrieval.retriever import open_retriever
from bench.gateway.retrieval_encoder import encoder_folder
from tests.contract.harness import REPOSITORY, S3Server, find_versitygw
from tests.gateway.harness import TOKEN

PREFIX = "BT_TEST_"
POLICIES = REPOSITORY / "examples" / "knowledge" / "policies"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(find_versitygw(), tmp_path_factory.mktemp("s3"))
    server.start()
    bucket = server.client()
    for path in sorted(POLICIES.glob("*.md"))[:3]:
        bucket.put(f"policies/{path.name}", path.read_bytes())
    for name in ("onnx/model.onnx", "tokenizer.json", "sentence_bert_config.json"):
        bucket.put(f"encoder/{name}", (encoder_folder() / name).read_bytes())
    yield server
    server.kill()


def settings(**changes: str) -> Json:
    uris = {"documents": "s3://bank/policies", "embedding": "s3://bank/encoder"} | changes
    refs = {name: {"uri": uri, "credentials": PREFIX} for name, uri in uris.items()}
    return {**refs, "index": {"uri": f"{uris['documents']}/.banktuner/banktuner", "credentials": PREFIX}}


def run_job(folder: Path, config: Json, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    (folder / "retrieval.json").write_text(json.dumps(config))
    command = [sys.executable, "-m", "banktuner_gateway.retrieval", "index", "--config", folder / "retrieval.json"]
    command += ["--work-dir", folder / "encoder", "--termination-log", folder / "termination"]
    variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY / "operator"), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True)


def test_the_job_indexes_and_the_gateway_follows(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retriever_module, "FIRST_SECONDS", 300)
    secret = s3.secret(PREFIX)
    first = run_job(tmp_path, settings(), secret)
    assert first.returncode == 0, first.stderr
    assert "3 documents read, 0 skipped" in first.stderr
    config = load_config(tmp_path / "retrieval.json")
    retriever = open_retriever(config, secret, tmp_path / "encoder")
    retriever.start()
    assert retriever.problem is None
    found = {(one.chunk.document, one.chunk.section) for one in retriever.search("How do I freeze my card?")}
    assert ("cards.md", "Freezing a card") in found
    s3.client().put("policies/new.txt", b"The vault opens at noon on leap days only.")
    second = run_job(tmp_path, settings(), secret)
    assert second.returncode == 0, second.stderr
    assert "1 of " in second.stderr and " chunks embedded anew" in second.stderr
    retriever.refresh()
    assert retriever.search("When does the vault open?")[0].chunk.document == "new.txt"
    retriever.stop()
    index = open_folder(config.index, "knowledge.documents", secret)
    current = pointer.read(index).current
    assert current is not None and retriever.generation == current.generation
    with pytest.raises(RetrievalError) as raised:
        pointer.switch(index, current, pointer.Read(current, '"0123456789abcdef0123456789abcdef"'))
    assert raised.value.exit_code is ExitCode.INTERRUPTED


def test_sources_are_told_in_openais_form_too(
    s3: S3Server, files: Path, start_gateway, engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = s3.secret(PREFIX)
    assert run_job(files, settings(), secret).returncode == 0
    for name, value in secret.items():
        monkeypatch.setenv(name, value)
    messages = [{"role": "user", "content": "How do I freeze my card?"}]
    with openai.OpenAI(base_url=f"{start_gateway()}/v1", api_key=TOKEN, max_retries=0) as client:
        answer = client.chat.completions.create(model="assistant", messages=messages)
    told = engine.requests[-1][1]["messages"][0]["content"]
    assert [one["number"] for one in answer.sources] == [1, 2, 3, 4]
    assert ("cards.md", "Freezing a card") in {(one["document"], one["section"]) for one in answer.sources}
    assert all(f"[{one['number']}] " in told and f"({one['document']})" in told for one in answer.sources)


@pytest.mark.parametrize(
    ("changes", "keys", "code", "word"),
    [
        ({"documents": "s3://bank/nothing"}, {}, ExitCode.INVALID_DATA, "NoDocuments"),
        ({"embedding": "s3://bank/policies"}, {}, ExitCode.INVALID_MODEL, "InvalidEncoder"),
        ({"documents": "s3://no-such-bucket/policies"}, {}, ExitCode.OBJECT_NOT_FOUND, "NoSuchBucket"),
        ({}, {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, ExitCode.ACCESS_DENIED, "AccessDenied"),
        ({}, {"AWS_SECRET_ACCESS_KEY": ""}, ExitCode.INVALID_CONFIG, "secretRef"),
        ({"documents": "file:///etc"}, {}, ExitCode.INVALID_CONFIG, "s3://bucket/path"),
        ({"documents": "s3://bank/../etc"}, {}, ExitCode.INVALID_CONFIG, "segment"),
    ],
    ids=["empty", "encoder", "bucket", "denied", "no-key", "scheme", "path"],
)
def test_what_went_wrong_is_told(
    s3: S3Server, tmp_path: Path, changes: dict[str, str], keys: dict[str, str], code: ExitCode, word: str
) -> None:
    run = run_job(tmp_path, settings(**changes), s3.secret(PREFIX, **keys))
    assert run.returncode == int(code), run.stderr
    told = (tmp_path / "termination").read_text()
    assert word in told
    assert "Traceback" not in run.stderr
    for secret in ("banktuner-test-secret", "wrong-secret"):
        assert secret not in told + run.stderr


def test_settings_that_cannot_be_read_name_the_field(tmp_path: Path) -> None:
    run = run_job(tmp_path, {**settings(), "topK": 99}, {})
    assert run.returncode == int(ExitCode.INVALID_CONFIG)
    assert "topK" in (tmp_path / "termination").read_text()
