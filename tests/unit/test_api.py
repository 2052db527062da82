"""The contract's own logic: names, digests, termination messages, atomic control files."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from banktuner_api import handshake, manifest, names
from banktuner_api.common import Metric
from banktuner_api.exit_codes import FINAL, RETRYABLE, ExitCode
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import FineTuneJobSpec, Task
from banktuner_api.finetunejob_status import ArtifactStatus, ServedAs

DIGEST = "sha256:" + "a" * 64


def result(metrics: int) -> handshake.Result:
    artifact = ArtifactStatus(
        uri="s3://bucket/models/bank/job/uid/1",
        digest=DIGEST,
        size_bytes=1,
        task=Task.INSTRUCTION,
        method=Method.LORA,
        rank=8,
        model_digest=DIGEST,
        served_as=ServedAs.ADAPTER,
    )
    return handshake.Result(
        artifact=artifact, metrics=[Metric(name=f"metric_{i:02}", value="0.123456789012345") for i in range(metrics)]
    )


@given(owner=st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=40), uid=st.uuids())
def test_child_names_fit_and_tell_owners_apart(owner: str, uid: object) -> None:
    name = names.child_name(owner, str(uid), "engine")
    assert len(name) <= 63 - len("-00")
    assert name != names.child_name(owner, f"{uid}x", "engine")


def test_exit_codes_are_frozen() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "OK": 0,
        "INTERNAL": 1,
        "INVALID_CONFIG": 64,
        "INVALID_DATA": 65,
        "INVALID_MODEL": 66,
        "OBJECT_NOT_FOUND": 67,
        "ACCESS_DENIED": 68,
        "INTEGRITY": 69,
        "UNSAFE_FILE": 70,
        "DIVERGED": 71,
        "OUT_OF_MEMORY": 72,
        "DISK_FULL": 73,
        "INTERRUPTED": 75,
        "OBJECT_STORE_UNAVAILABLE": 76,
    }
    assert FINAL | RETRYABLE | {ExitCode.OK} == set(ExitCode) and not FINAL & RETRYABLE


def test_tree_digest_ignores_order_and_the_commit_files() -> None:
    files = [("config.json", "1" * 64), ("model.safetensors", "2" * 64)]
    committed = [*reversed(files), ("manifest.json", "3" * 64), ("COMMITTED", "4" * 64)]
    assert manifest.tree_digest(files) == manifest.tree_digest(committed)
    assert manifest.tree_digest(files) != manifest.tree_digest([("config.json", "2" * 64), files[1]])


@pytest.mark.parametrize("path", ["../model.safetensors", "a/../../b", "/etc/passwd", ".hidden", "a b", "~x"])
def test_manifest_refuses_paths_that_leave_the_folder(path: str) -> None:
    with pytest.raises(ValidationError, match="path"):
        manifest.ManifestFile(path=path, sha256="0" * 64, size_bytes=1)


@pytest.mark.parametrize("metrics", [0, 24, 64])
def test_termination_message_fits_and_keeps_the_artifact(metrics: int) -> None:
    text = handshake.termination_message(result(metrics))
    assert len(text.encode()) <= handshake.TERMINATION_LIMIT
    assert json.loads(text)["artifact"]["digest"] == DIGEST
    assert handshake.Result.model_validate_json(text).metrics[:10] == result(metrics).metrics[:10]


def test_failure_message_is_cut() -> None:
    text = handshake.termination_message(handshake.Failure(reason="InvalidData", message="x" * 1_000_000))
    assert len(text.encode()) <= handshake.TERMINATION_LIMIT


def test_control_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    handshake.write_control(tmp_path, handshake.COMMITTED, result(1))
    handshake.write_control(tmp_path, handshake.COMMITTED, result(2))
    assert [path.name for path in tmp_path.iterdir()] == [handshake.COMMITTED]
    assert len(json.loads((tmp_path / handshake.COMMITTED).read_text())["metrics"]) == 2


def test_unknown_fields_are_refused_by_name() -> None:
    spec = {"task": "Instruction", "model": {}, "dataset": {"uri": "s3://bucket/x"}, "method": "LoRA", "output": {}}
    with pytest.raises(ValidationError, match="lorra"):
        FineTuneJobSpec.model_validate(spec | {"lorra": {}})
