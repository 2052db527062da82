"""Whole attempts through the real control files: success, refusals, divergence, interruption."""

import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import ARTIFACT, Failure, Result
from banktuner_trainer.__main__ import main
from tests.trainer.conftest import answers
from tests.trainer.harness import Pod, run_config, write_jsonl

LORA: dict[str, Any] = {"lora": {"rank": 8}}


@pytest.fixture(autouse=True)
def restore_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_success_asks_for_the_commit_and_leaves_the_result(
    pod: Pod, base_model: Path, train_file: Path, test_file: Path
) -> None:
    run = run_config("Instruction", "LoRA", **LORA, training={"maxSteps": 5, "epochs": None})
    pod.stage(run, train_file, test_file, base_model)
    pod.answer_requests(run)
    assert main() == ExitCode.OK
    [request] = pod.requests
    assert (request.task, request.method, request.rank, request.served_as) == ("Instruction", "LoRA", 8, "Adapter")
    assert request.chat_template_digest is not None
    assert request.resources_used.peak_memory_bytes > 10**8
    result = Result.model_validate(pod.termination())
    names = {one.name for one in result.metrics}
    assert {"perplexity", "eval_loss", "train_loss", "train_runtime_seconds", "trainable_parameters"} <= names
    assert {"trainable_ratio", "peak_memory_bytes"} <= names


def test_a_refused_publication_fails_with_its_reason(pod: Pod, base_model: Path, train_file: Path) -> None:
    run = run_config("Instruction", "LoRA", **LORA, training={"maxSteps": 1, "epochs": None})
    pod.stage(run, train_file, None, base_model)
    pod.answer_requests(run, Failure(reason="UnsafeArtifactFile", message="no", field="spec.output.uri"))
    assert main() == ExitCode.UNSAFE_FILE
    assert pod.termination() == {"reason": "UnsafeArtifactFile", "message": "no", "field": "spec.output.uri"}


def test_divergence_ends_the_job_and_publishes_nothing(pod: Pod, base_model: Path, train_file: Path) -> None:
    run = run_config("Instruction", "Full", training={"learningRate": 1.0, "warmupSteps": 0, "epochs": 3})
    broken = pod.root / "broken"
    shutil.copytree(base_model, broken)
    from safetensors.torch import load_file, save_file

    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    pod.stage(run, train_file, None, broken)
    assert main() == ExitCode.DIVERGED
    assert pod.termination()["reason"] == "Diverged"
    assert not (pod.control / ARTIFACT).exists()


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [
        ("", ExitCode.INVALID_DATA, "no rows"),
        ('{"instruction": "a", "output": "b"}\n{"instruction": "a"}\n', ExitCode.INVALID_DATA, "row 2"),
        ("{", ExitCode.INVALID_DATA, "row 1 is not JSON"),
    ],
)
def test_bad_data_ends_the_job_for_good(
    pod: Pod, base_model: Path, tmp_path: Path, content: str, code: ExitCode, says: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    pod.stage(run_config("Instruction", "LoRA", **LORA), path, None, base_model)
    assert main() == code
    assert says in pod.termination()["message"]
    assert pod.termination()["field"] == "spec.dataset.uri"


def test_a_label_that_was_never_trained_is_refused(pod: Pod, encoder: Path, tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "a.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}])
    test = write_jsonl(tmp_path / "b.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": "secret"}])
    data = {"train": {"uri": "s3://bank/i.jsonl"}, "format": "TextLabel"}
    pod.stage(run_config("Classification", "LoRA", dataset=data, **LORA), train, test, encoder)
    assert main() == ExitCode.INVALID_DATA
    assert pod.termination()["field"] == "spec.dataset.testUri"
    assert "row 2" in pod.termination()["message"]
    assert "secret" not in json.dumps(pod.termination())


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"lora": {"targetModules": ["nowhere"]}}, ExitCode.INVALID_CONFIG, "spec.lora.targetModules"),
        ({"training": {"precision": "FP16"}}, ExitCode.INVALID_CONFIG, "spec.training.precision"),
        ({"limits": {"gpus": 1}}, ExitCode.INVALID_CONFIG, "spec.resources.gpus"),
        ({"training": {"maxLength": 8}}, ExitCode.INVALID_DATA, "spec.training.maxLength"),
    ],
)
def test_impossible_settings_name_their_field(
    pod: Pod, base_model: Path, train_file: Path, changes: dict[str, Any], code: ExitCode, field: str
) -> None:
    import torch

    if "limits" in changes and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    pod.stage(run_config("Instruction", "LoRA", **changes), train_file, None, base_model)
    assert main() == code
    assert pod.termination()["field"] == field


def test_an_encoder_cannot_learn_to_answer(pod: Pod, encoder: Path, train_file: Path) -> None:
    pod.stage(run_config("Instruction", "LoRA", **LORA), train_file, None, encoder)
    assert main() == ExitCode.INVALID_MODEL
    assert "language-model head" in pod.termination()["message"]


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_model_is_refused(pod: Pod, base_model: Path, train_file: Path, missing: str) -> None:
    folder = pod.root / "incomplete"
    shutil.copytree(base_model, folder)
    (folder / missing).unlink()
    pod.stage(run_config("Instruction", "LoRA", **LORA), train_file, None, folder)
    assert main() == ExitCode.INVALID_MODEL
    assert pod.termination()["field"] == "spec.model.uri"


def test_sigterm_ends_a_running_attempt_promptly_and_retryably(pod: Pod, base_model: Path, tmp_path: Path) -> None:
    train = write_jsonl(tmp_path / "train.jsonl", answers(240))
    pod.stage(run_config("Instruction", "LoRA", **LORA, training={"epochs": 1000}), train, None, base_model)
    process = pod.start()
    assert process.stdout is not None
    for line in process.stdout:
        if " step " in line:
            break
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == ExitCode.INTERRUPTED
    process.stdout.close()
    assert pod.termination()["reason"] == "Interrupted"
    assert not (pod.control / ARTIFACT).exists()
