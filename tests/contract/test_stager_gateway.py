"""stage-gateway brings a classifier and an encoder from a real store: verified, or not at all."""

import json
from typing import Any

import pytest

from banktuner_api import names
from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import GatewayConfig, RetrievalConfig
from tests.contract.harness import BUCKET, Pod, S3Server
from tests.contract.test_stager_inputs import commit, files_in
from tests.contract.test_stager_jobs import PREFIX

INTENTS = {
    "onnx/classifier.onnx": b"o" * 1000,
    "onnx/classifier.json": b"{}",
    "onnx/tokenizer.json": b"{}",
    "adapter_config.json": b"{}",
    "report/result.json": b"{}",
}
ENCODER = {"onnx/model.onnx": b"m" * 1000, "tokenizer.json": b"{}", "pytorch_model.bin": b"never"}


def folder(key: str) -> ObjectRef:
    return ObjectRef(uri=f"s3://{BUCKET}/{key}", credentials=PREFIX)


@pytest.fixture
def pod(s3: S3Server, pods: Any):
    s3.upload("models/minilm", ENCODER)

    def make(classifier: ObjectRef | None = None, encoder: str | None = None) -> Pod:
        made = pods("pod", s3.secret(PREFIX))
        knowledge = None
        if encoder:
            documents = folder("policies")
            knowledge = RetrievalConfig(documents=documents, embedding=folder(encoder), index=documents)
        config = GatewayConfig(
            namespace="bank",
            name="assistant",
            engine_url="http://engine:8080",
            agent_url="https://agent:8443",
            max_tokens=256,
            classifier=classifier,
            knowledge=knowledge,
        )
        (made.config / names.GATEWAY_CONFIG_KEY).write_text(json.dumps(config.to_json()))
        return made

    return make


def test_what_a_gateway_runs_is_brought_and_nothing_else(pod, s3: S3Server) -> None:
    made = pod(commit(s3, "out/intents", INTENTS), "models/minilm")
    assert made.run("stage-gateway") == 0, made.log.read_text()
    assert files_in(made.work / "classifier") == ["classifier.json", "classifier.onnx", "tokenizer.json"]
    assert (made.work / "classifier/classifier.onnx").read_bytes() == INTENTS["onnx/classifier.onnx"]
    assert files_in(made.work / "encoder") == ["onnx/model.onnx", "tokenizer.json"]


def test_it_runs_again_over_what_it_left(pod, s3: S3Server) -> None:
    made = pod(commit(s3, "out/intents", INTENTS))
    (made.work / "classifier").mkdir(parents=True)
    (made.work / "classifier/old.onnx").write_bytes(b"x")
    assert made.run("stage-gateway") == made.run("stage-gateway") == 0
    assert "old.onnx" not in files_in(made.work / "classifier")


@pytest.mark.parametrize("name", ["onnx/classifier.onnx", "onnx/classifier.json"])
def test_a_changed_classifier_is_refused(pod, s3: S3Server, name: str) -> None:
    made = pod(commit(s3, "out/intents", INTENTS))
    s3.upload("out/intents", {name: b"[" * len(INTENTS[name])})
    assert made.run("stage-gateway") == ExitCode.INTEGRITY
    told = json.loads(made.termination_log.read_text())
    assert (told["reason"], told["field"]) == ("DigestMismatch", "spec.gateway.scope.classifier")


@pytest.mark.parametrize(
    ("files", "encoder", "code", "field"),
    [
        ({"adapter_config.json": b"{}"}, None, ExitCode.INVALID_MODEL, "spec.gateway.scope.classifier"),
        (None, "models/none", ExitCode.OBJECT_NOT_FOUND, "spec.gateway.knowledge.embedding.uri"),
        (None, "out", ExitCode.INVALID_MODEL, "spec.gateway.knowledge.embedding.uri"),
    ],
)
def test_what_is_wrong_names_its_field(pod, s3: S3Server, files, encoder, code: ExitCode, field: str) -> None:
    s3.upload("out", {"other.json": b"{}"})
    made = pod(commit(s3, "out/intents", files) if files else None, encoder)
    assert made.run("stage-gateway") == code, made.log.read_text()
    told = json.loads(made.termination_log.read_text())
    assert told["field"] == field and told["message"].startswith(f"{field}: ")


def test_a_classifier_without_a_digest_is_refused(pod, s3: S3Server) -> None:
    reference = commit(s3, "out/intents", INTENTS).model_copy(update={"digest": None})
    assert pod(reference).run("stage-gateway") == ExitCode.INVALID_CONFIG
