"""stage brings what an evaluation compares with and the questions that are not a bank's; only an artifact's root."""

import json
from pathlib import Path
from typing import Any

import pytest

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_data import Format
from banktuner_api.handshake import Staged
from banktuner_api.manifest import sha256_digest, tree_digest
from banktuner_api.run_config import DatasetInput, EvaluationConfig, ObjectRef
from tests.contract.harness import BUCKET, Pod, S3Server
from tests.contract.test_stager_jobs import MODEL, PREFIX, TRAIN, run_config, uri

ADAPTER = {
    "adapter_config.json": b"{}",
    "adapter_model.safetensors": b"a" * 1000,
    "merged/model.safetensors": b"m" * 1000,
    "gguf/model.gguf": b"g" * 1000,
    "onnx/classifier.onnx": b"o" * 1000,
    "report/result.json": b"{}",
    "adapter/adapter_model.safetensors": b"a" * 1000,
}
IN_ROOT = ["adapter_config.json", "adapter_model.safetensors"]


def commit(s3: S3Server, prefix: str, files: dict[str, bytes]) -> ObjectRef:
    """A committed artifact, pinned by the digest of its manifest."""
    listed = [
        {"path": name, "sha256": sha256_digest(content).removeprefix("sha256:"), "sizeBytes": len(content)}
        for name, content in files.items()
    ]
    manifest = {
        "job": {"namespace": "bank", "name": "promoted", "uid": "u", "attempt": 1},
        "task": "Classification",
        "method": "LoRA",
        "servedAs": "Classifier",
        "modelDigest": f"sha256:{'0' * 64}",
        "datasetDigest": f"sha256:{'0' * 64}",
        "trainerVersion": "1",
        "createdTime": "2026-01-01T00:00:00Z",
        "files": listed,
    }
    content = json.dumps(manifest).encode()
    s3.upload(prefix, {**files, "manifest.json": content})
    return ObjectRef(uri=f"s3://{BUCKET}/{prefix}", credentials=PREFIX, digest=sha256_digest(content))


@pytest.fixture
def job(s3: S3Server, pods: Any):
    s3.upload("models/base", MODEL | {"merged/model.safetensors": b"not this one"})
    s3.upload("models/encoder", MODEL | {"1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}'})
    s3.upload("data", {"train.csv": TRAIN, "strangers.jsonl": b'{"text": "who won the match"}\n'})

    def make(evaluation: dict[str, Any] | None = None, out_of_scope: str = "data/strangers.jsonl") -> Pod:
        pod = pods("pod", s3.secret(PREFIX))
        dataset = DatasetInput(train=uri("data/train.csv"), out_of_scope=uri(out_of_scope), format=Format.TEXT_LABEL)
        config = run_config(dataset=dataset, evaluation=EvaluationConfig(**(evaluation or {})))
        (pod.config / "run.json").write_text(json.dumps(config.to_json()))
        return pod

    return make


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_everything_the_evaluation_names_is_brought(job, s3: S3Server) -> None:
    promoted = commit(s3, "out/promoted", ADAPTER)
    pod = job({"encoder": uri("models/encoder"), "promoted": promoted, "compare_with": "Promoted"})
    assert pod.run("stage") == 0, pod.log.read_text()
    staged = Staged.model_validate_json((pod.control / "staged.json").read_bytes())
    assert staged.out_of_scope is not None and staged.checkpoint is None
    assert Path(staged.out_of_scope.path).read_bytes() == b'{"text": "who won the match"}\n'
    assert staged.out_of_scope.path.endswith("/data/out_of_scope.jsonl")
    assert files_in(pod.work / "encoder") == ["1_Pooling/config.json", "config.json", "model.safetensors"]
    assert files_in(pod.work / "promoted") == IN_ROOT
    assert files_in(pod.work / "model") == ["config.json", "model.safetensors"]
    assert staged.model_digest == tree_digest(
        (name, sha256_digest(MODEL[name]).removeprefix("sha256:")) for name in ("config.json", "model.safetensors")
    )


@pytest.mark.parametrize(
    ("evaluation", "strangers", "code", "field"),
    [
        ({}, "data/none.jsonl", ExitCode.OBJECT_NOT_FOUND, "spec.dataset.outOfScopeUri"),
        ({}, "data/none.doc", ExitCode.INVALID_DATA, "spec.dataset.outOfScopeUri"),
        ({"encoder": "models/none"}, None, ExitCode.OBJECT_NOT_FOUND, "spec.evaluation.encoder.uri"),
        ({"encoder": "data"}, None, ExitCode.INVALID_MODEL, "spec.evaluation.encoder.uri"),
        ({"promoted": "models/base"}, None, ExitCode.INVALID_CONFIG, "spec.evaluation.promoted"),
    ],
)
def test_what_is_wrong_names_its_field(job, evaluation: dict[str, str], strangers: str | None, code, field) -> None:
    named = {name: uri(key) for name, key in evaluation.items()}
    pod = job(named, strangers or "data/strangers.jsonl")
    assert pod.run("stage") == code, pod.log.read_text()
    told = json.loads(pod.termination_log.read_text())
    assert told["field"] == field and told["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("name", IN_ROOT)
def test_a_changed_promoted_artifact_is_refused(job, s3: S3Server, name: str) -> None:
    promoted = commit(s3, "out/promoted", ADAPTER)
    s3.upload("out/promoted", {name: b"[" * len(ADAPTER[name])})
    pod = job({"promoted": promoted})
    assert pod.run("stage") == ExitCode.INTEGRITY
    assert json.loads(pod.termination_log.read_text())["field"] == "spec.evaluation.promoted"


def test_other_forms_of_a_promoted_artifact_are_never_read(job, s3: S3Server) -> None:
    promoted = commit(s3, "out/promoted", ADAPTER)
    s3.upload("out/promoted", {name: b"broken" for name in ADAPTER if "/" in name})
    assert job({"promoted": promoted}).run("stage") == 0
