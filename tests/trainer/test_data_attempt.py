"""Whole attempts whose data is special or bad, tracked and stopped early: what the artifact and the log hold."""

import json
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import ARTIFACT, STAGED, Staged, write_control
from banktuner_api.manifest import ALLOWED_SUFFIXES
from banktuner_trainer.__main__ import main
from banktuner_trainer.tracking.record import read_points
from tests.trainer.conftest import answers
from tests.trainer.harness import Pod, run_config, staged_file, write_jsonl

SECRET = "4929123412341234"
LORA: dict[str, Any] = {"lora": {"rank": 8}}


@pytest.fixture(autouse=True)
def restore_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def stage_out_of_scope(pod: Pod, path: Path) -> None:
    staged = Staged.model_validate_json((pod.control / STAGED).read_bytes())
    write_control(pod.control, STAGED, staged.model_copy(update={"out_of_scope": staged_file(path)}))


def asked(start: int, count: int) -> list[dict[str, str]]:
    """Different questions, as columns of a preset."""
    rows = enumerate(answers(count), start=start)
    return [{"question": f"{row['instruction']} ({number})", "answer": row["output"]} for number, row in rows]


def test_a_preset_refusals_early_stopping_and_trackers_together(pod: Pod, base_model: Path, tmp_path: Path) -> None:
    data = {
        "train": {"uri": "s3://bank/t.jsonl"},
        "outOfScope": {"uri": "s3://bank/o.jsonl"},
        "format": "Alpaca",
        "preset": "TechnicalQuestions",
        "refusal": "Only banking, please.",
    }
    training = {"epochs": 6, "earlyStopping": {"patience": 1, "minImprovement": 5.0, "everySteps": 4}}
    tracking = {"tensorboard": True, "wandb": {"project": "bank"}}
    run = run_config("Instruction", "LoRA", **LORA, dataset=data, training=training, tracking=tracking)
    rows = asked(0, 60)
    train = write_jsonl(tmp_path / "train.jsonl", [*rows, rows[0]])
    test = write_jsonl(tmp_path / "test.jsonl", [*asked(60, 12), rows[1], rows[2]])
    pod.stage(run, train, test, base_model)
    stage_out_of_scope(pod, write_jsonl(tmp_path / "oos.jsonl", [{"query": f"joke {number}?"} for number in range(10)]))
    pod.answer_requests(run)
    assert main() == ExitCode.OK
    [request] = pod.requests
    metrics = {one.name: float(one.value) for one in request.metrics}
    assert (metrics["duplicate_rows"], metrics["leaked_test_rows"]) == (1, 2)
    points = read_points(pod.work / "tracking")
    judged = [point.step for point in points if "eval_loss" in point.values and not point.result]
    assert judged == [4, 8]  # the second is not 5 better
    assert points[-1].result and points[-1].values["train_loss"] == metrics["train_loss"]
    report = pod.output / "report"
    files = [path for path in report.rglob("*") if path.is_file()]
    assert {".json", ".tfevents", ".wandb"} <= {path.suffix for path in files} <= ALLOWED_SUFFIXES


def test_a_loss_that_explodes_ends_the_job_and_publishes_nothing(pod: Pod, base_model: Path, train_file: Path) -> None:
    run = run_config("Instruction", "Full", training={"learningRate": 1.0, "warmupSteps": 0, "maxSteps": 60})
    pod.stage(run, train_file, None, base_model)
    assert main() == ExitCode.DIVERGED
    assert pod.termination()["reason"] == "Diverged"
    assert pod.termination()["field"] == "spec.training.learningRate"
    assert not (pod.control / ARTIFACT).exists()


def bad(*rows: Any) -> bytes:
    good = [{"instruction": "a", "output": f"b {number}"} for number in range(20)]
    return "".join(json.dumps(row) + "\n" for row in (*good, *rows)).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no rows"),
        (bad()[: bad().index(b"\n")], "none of 1 rows can be held out"),
        (bad() + b'{"instruction": "' + SECRET.encode() + b'\xff"}\n', "row 21 is not UTF-8"),
        (bad({"instruction": SECRET * 350_000, "output": SECRET}), "row 21 is longer than"),
        (bad({"prompt": SECRET, "completion": SECRET}), "row 21: column 'instruction' is missing"),
        (bad({"instruction": SECRET, "output": [SECRET]}), "row 21: column 'output' is not text"),
    ],
)
def test_bad_data_ends_the_job_with_the_row_and_without_its_content(
    pod: Pod, base_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes, says: str
) -> None:
    data = {"train": {"uri": "s3://bank/t.jsonl"}, "format": "Alpaca", "validationPercent": 5}
    run = run_config("Instruction", "LoRA", **LORA, dataset=data)
    (tmp_path / "t.jsonl").write_bytes(content)
    pod.stage(run, tmp_path / "t.jsonl", None, base_model)
    with caplog.at_level(logging.DEBUG):
        assert main() == ExitCode.INVALID_DATA
    ending = pod.termination()
    assert (ending["reason"], ending["field"]) == ("InvalidData", "spec.dataset.uri")
    assert says in ending["message"]
    assert SECRET not in caplog.text + json.dumps(ending)
    assert not (pod.control / ARTIFACT).exists()
