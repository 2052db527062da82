"""A run that is stopped goes on exactly: losses, weights and numbers are, bit by bit, those of one that is not."""

import hashlib
import json
import logging
import os
import re
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import RunConfig
from banktuner_trainer.__main__ import main
from tests.trainer.conftest import answers, intents
from tests.trainer.harness import Pod, run_config, write_jsonl

TRAINING = {"epochs": 3, "gradientAccumulationSteps": 2, "batchSize": 4}
ARCHITECTURE = {"hiddenSize": 32, "layers": 1, "heads": 2, "vocabularySize": 320, "contextLength": 64}
INTENTS = {"train": {"uri": "s3://bank/i.jsonl"}, "format": "TextLabel"}
PERPLEXITY = {"suites": ["Perplexity"], "compareWith": "None"}
STEPS = 15
"""Of 40 rows: five an epoch, the last of them with two batches like the others."""
NOT_OF_THE_RUN = re.compile("seconds|memory|speed|latency|tokens_per|cost")


@dataclass
class Watch(logging.Handler):
    """Collects the loss of each step, and sends SIGTERM to this process at a log line that begins like `stop`."""

    stop: str | None = None
    losses: dict[int, str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        self.lines.append(line)
        step = re.match(r"step (\d+)/\d+ loss=(\S+)", line)
        if step:
            self.losses[int(step[1])] = step[2]
        if self.stop is not None and line.startswith(self.stop):
            self.stop = None
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True)
def restore_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def files(tmp_path: Path, base_model: Path, encoder: Path) -> dict[str, Path]:
    return {
        "answers": write_jsonl(tmp_path / "answers.jsonl", answers(40)),
        "answers_test": write_jsonl(tmp_path / "answers_test.jsonl", answers(12, surcharge=1)),
        "intents": write_jsonl(tmp_path / "intents.jsonl", intents(40)),
        "intents_test": write_jsonl(tmp_path / "intents_test.jsonl", intents(12)),
        "model": base_model,
        "encoder": encoder,
    }


def configured(task: str, method: str, **changes: Any) -> RunConfig:
    training = TRAINING | changes.pop("training", {})
    if task == "Pretraining":
        changes["architecture"] = ARCHITECTURE
    if task == "Classification":
        return run_config(task, method, dataset=INTENTS, training=training, **changes)
    return run_config(task, method, evaluation=PERPLEXITY, training=training, **changes)


def attempt(pod: Pod, run: RunConfig, files: dict[str, Path], stop: str | None = None) -> tuple[int, Watch]:
    """One attempt in this process; its exit code and what its log said."""
    data = "intents" if run.task == "Classification" else "answers"
    model = {"Classification": "encoder", "Instruction": "model"}.get(run.task)
    if not (pod.work / "model").exists():
        pod.stage(run, files[data], files[f"{data}_test"], files[model] if model else None)
    else:
        pod.configure(run)
    if stop is None:
        pod.answer_requests(run)
    for name, value in pod.environment().items():
        os.environ[name] = value
    watch, logger = Watch(stop), logging.getLogger("banktuner_trainer")
    logger.addHandler(watch)
    try:
        return main(), watch
    finally:
        logger.removeHandler(watch)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def digests(pod: Pod) -> dict[str, str]:
    files = sorted(pod.output.rglob("*.safetensors"))
    assert files
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def numbers(pod: Pod) -> dict[str, str]:
    """The metrics that follow from the training alone."""
    metrics = pod.termination()["metrics"]
    return {one["name"]: one["value"] for one in metrics if not NOT_OF_THE_RUN.search(one["name"])}


CASES = [
    # In the middle of an epoch, dropout on: rows, random numbers and optimiser must all go on where they were.
    ("Instruction", "LoRA", 8, {"lora": {"rank": 4, "dropout": 0.2}}),
    ("Classification", "LoRA", 7, {"lora": {"rank": 4, "dropout": 0.1}}),
    # At the end of an epoch, where transformers takes another way.
    ("Pretraining", "Full", 10, {}),
    # What peft saves of a prefix is not what is trained; an Adapter is no model of peft at all.
    ("Instruction", "PrefixTuning", 3, {"prefixTuning": {"virtualTokens": 4, "projection": True}}),
    ("Instruction", "Adapter", 4, {"adapter": {"hiddenSize": 8, "dropout": 0.1}}),
]


@pytest.mark.parametrize(("task", "method", "step", "changes"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES])
def test_a_stopped_run_ends_like_one_that_was_not(
    tmp_path: Path, files: dict[str, Path], task: str, method: str, step: int, changes: dict[str, Any]
) -> None:
    run = configured(task, method, **changes)
    calm, stopped = Pod(tmp_path / "calm"), Pod(tmp_path / "stopped")
    code, undisturbed = attempt(calm, run, files)
    assert code == ExitCode.OK and list(undisturbed.losses) == list(range(1, STEPS + 1))
    code, before = attempt(stopped, run, files, stop=f"step {step}/")
    assert code == ExitCode.INTERRUPTED and stopped.termination()["reason"] == "Interrupted"
    assert not (stopped.control / "artifact.json").exists()
    code, after = attempt(stopped, run, files)
    assert code == ExitCode.OK
    # The signal comes while a step's line is logged: within an epoch the next step is made, then a checkpoint.
    made = step if step % 5 == 0 else step + 1
    assert list(before.losses) == list(range(1, made + 1)) and list(after.losses) == list(range(made + 1, STEPS + 1))
    assert before.losses | after.losses == undisturbed.losses
    assert digests(stopped) == digests(calm)
    assert numbers(stopped) == numbers(calm)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path, files: dict[str, Path]) -> None:
    run = configured("Instruction", "LoRA", lora={"rank": 4, "dropout": 0.2})
    pods = [Pod(tmp_path / name) for name in ("first", "second", "other")]
    seen = [attempt(pod, run, files)[1].losses for pod in pods[:2]]
    assert seen[0] == seen[1] and digests(pods[0]) == digests(pods[1]) and numbers(pods[0]) == numbers(pods[1])
    other = configured("Instruction", "LoRA", lora={"rank": 4, "dropout": 0.2}, training={"seed": 8})
    assert attempt(pods[2], other, files)[1].losses != seen[0]
    assert digests(pods[2]) != digests(pods[0])


def test_early_stopping_goes_on_with_what_it_had_seen(tmp_path: Path, files: dict[str, Path]) -> None:
    # No step improves the loss by as much as 0.9, whatever the CPU: the seventh after the first look is the last.
    early = {"patience": 7, "minImprovement": 0.9, "everySteps": 1}
    run = configured("Instruction", "LoRA", lora={"rank": 4}, training={"earlyStopping": early, "learningRate": 0.03})
    calm, stopped = Pod(tmp_path / "calm"), Pod(tmp_path / "stopped")
    code, undisturbed = attempt(calm, run, files)
    last = max(undisturbed.losses)
    assert code == ExitCode.OK and 3 < last < STEPS, "patience ends this run early"
    assert attempt(stopped, run, files, stop=f"step {last - 2}/")[0] == ExitCode.INTERRUPTED
    code, after = attempt(stopped, run, files)
    assert code == ExitCode.OK and max(after.losses) == last
    assert digests(stopped) == digests(calm) and numbers(stopped) == numbers(calm)


def test_a_run_stopped_while_it_evaluates_does_not_train_again(tmp_path: Path, files: dict[str, Path]) -> None:
    run = configured("Instruction", "LoRA", lora={"rank": 4})
    calm, stopped = Pod(tmp_path / "calm"), Pod(tmp_path / "stopped")
    attempt(calm, run, files)
    code, before = attempt(stopped, run, files, stop="Evaluating")
    assert code == ExitCode.INTERRUPTED and max(before.losses) == STEPS
    code, after = attempt(stopped, run, files)
    assert code == ExitCode.OK and after.losses == {}
    assert digests(stopped) == digests(calm) and numbers(stopped) == numbers(calm)


def test_a_changed_run_starts_anew(tmp_path: Path, files: dict[str, Path]) -> None:
    run = configured("Instruction", "LoRA", lora={"rank": 4})
    pod = Pod(tmp_path / "pod")
    assert attempt(pod, run, files, stop="step 5/")[0] == ExitCode.INTERRUPTED
    changed = configured("Instruction", "LoRA", lora={"rank": 4}, training={"learningRate": 0.001})
    code, after = attempt(pod, changed, files)
    assert code == ExitCode.OK and min(after.losses) == 1


def test_checkpoints_come_as_often_as_asked_and_the_last_are_kept(tmp_path: Path, files: dict[str, Path]) -> None:
    run = configured("Instruction", "LoRA", lora={"rank": 4}, checkpoint={"everySteps": 4, "keepLast": 2})
    pod = Pod(tmp_path / "pod")
    code, watch = attempt(pod, run, files)
    assert code == ExitCode.OK
    saved = [line.split()[3] for line in watch.lines if re.match(r"checkpoint of step \d+ saved", line)]
    assert saved == ["4", "8", "12", "15"]
    assert sorted(path.name for path in (pod.work / "checkpoints").iterdir()) == ["step-12", "step-15"]
    assert json.loads((pod.control / "checkpoint.json").read_text()) == {"step": 15, "folder": "checkpoints/step-15"}
    shutil.rmtree(pod.work / "checkpoints" / "step-15")
    (pod.control / "committed.json").unlink()
    (pod.control / "artifact.json").unlink()
    assert min(attempt(pod, run, files)[1].losses) == 13
