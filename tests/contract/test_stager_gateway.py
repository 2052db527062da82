"""stage-gateway brings a classifier from a real store: verified, or not at all."""

import json
from typing import Any

import pytest

from banktuner_api import names
from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import GatewayConfig
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


@pytest.fixture
def pod(s3: S3Server, pods: Any):
    def make(classifier: ObjectRef | None = None, name_model: ObjectRef | None = None) -> Pod:
        made = pods("pod", s3.secret(PREFIX))
        config = GatewayConfig(
            namespace="bank",
            name="assistant",
            engine_url="http://engine:8080",
            agent_url="https://agent:8443",
            max_tokens=256,
            classifier=classifier,
            name_model=name_model,
        )
        (made.config / names.GATEWAY_CONFIG_KEY).write_text(json.dumps(config.to_json()))
        return made

    return make


def test_what_a_gateway_runs_is_brought_and_nothing_else(pod, s3: S3Server) -> None:
    made = pod(commit(s3, "out/intents", INTENTS))
    assert made.run("stage-gateway") == 0, made.log.read_text()
    assert files_in(made.work / "classifier") == ["classifier.json", "classifier.onnx", "tokenizer.json"]
    assert (made.work / "classifier/classifier.onnx").read_bytes() == INTENTS["onnx/classifier.onnx"]


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


def test_an_artifact_that_is_no_classifier_is_refused(pod, s3: S3Server) -> None:
    made = pod(commit(s3, "out/intents", {"adapter_config.json": b"{}"}))
    assert made.run("stage-gateway") == ExitCode.INVALID_MODEL
    told = json.loads(made.termination_log.read_text())
    assert told["field"] == "spec.gateway.scope.classifier" and "has no onnx/classifier.json" in told["message"]


def test_a_classifier_without_a_digest_is_refused(pod, s3: S3Server) -> None:
    reference = commit(s3, "out/intents", INTENTS).model_copy(update={"digest": None})
    assert pod(reference).run("stage-gateway") == ExitCode.INVALID_CONFIG


NAMES = {
    "tokenizer.json": b"{}",
    "config.json": b'{"id2label": {}}',
    "model.safetensors": b"s",
    "code.py": b"import os",
}
NAMES_REF = ObjectRef(uri=f"s3://{BUCKET}/models/names", credentials=PREFIX)


@pytest.mark.parametrize("graph", ["model.onnx", "onnx/model.onnx"])
def test_of_a_name_model_only_what_is_read_is_brought(pod, s3: S3Server, graph: str) -> None:
    s3.upload("models/names", {**NAMES, graph: b"graph"})
    made = pod(name_model=NAMES_REF)
    assert made.run("stage-gateway") == 0, made.log.read_text()
    assert files_in(made.work / "names") == sorted(["config.json", graph, "tokenizer.json"])
    assert (made.work / "names" / graph).read_bytes() == b"graph"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (NAMES, "has no model.onnx or onnx/model.onnx"),
        ({"model.onnx": b"graph", "config.json": b"{}"}, "has no tokenizer.json"),
        ({**NAMES, "model.onnx": b""}, "model.onnx has 0 bytes"),
        ({**NAMES, "model.onnx": b"graph", "config.json": b" " * (4 * 1024**2 + 1)}, "config.json has 4194305 bytes"),
    ],
)
def test_a_folder_that_is_no_name_model_is_refused(pod, s3: S3Server, files: dict[str, bytes], words: str) -> None:
    s3.upload("models/names", files)
    made = pod(name_model=NAMES_REF)
    assert made.run("stage-gateway") == ExitCode.INVALID_MODEL
    told = json.loads(made.termination_log.read_text())
    assert told["field"] == "spec.gateway.privacy.names.uri" and words in told["message"]


def test_a_name_model_that_is_not_there_is_told(pod, s3: S3Server) -> None:
    made = pod(name_model=NAMES_REF)
    assert made.run("stage-gateway") == ExitCode.OBJECT_NOT_FOUND
    assert json.loads(made.termination_log.read_text())["field"] == "spec.gateway.privacy.names.uri"
