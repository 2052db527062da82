"""Two processes over gloo train one model: like one process with the same rows a step, also when they are stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from safetensors.torch import load_file

from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import RunConfig
from banktuner_trainer.attempt import run_attempt
from banktuner_trainer.settings import paths_from
from tests.support.ports import free_port
from tests.trainer.conftest import answers
from tests.trainer.harness import Pod, run_config, write_jsonl

ROWS = 32
TRAINING = {"epochs": 2, "batchSize": 4, "learningRate": 0.003}
TOLERANCE = 1e-4
"""Of losses and metrics: two processes add the same numbers in another order, in float32."""
WEIGHTS = 0.05
"""Of a weight, in learning rates: Adam makes a step of about one from a gradient however small it is."""
QUIET = {"tensorboard": False}
EVALUATION = {"suites": ["Perplexity"], "compareWith": "None"}
ARCHITECTURE = {"hiddenSize": 32, "layers": 2, "heads": 2, "vocabularySize": 320, "contextLength": 64}


def configured(task: str, method: str, nodes: int, **changes: Any) -> RunConfig:
    """The same rows make a step, on one pod or on two."""
    training = TRAINING | {"batchSize": 8 // nodes} | changes.pop("training", {})
    if task == "Pretraining":
        changes["architecture"] = ARCHITECTURE
    return run_config(task, method, nodes=nodes, tracking=QUIET, evaluation=EVALUATION, training=training, **changes)


def stage(pod: Pod, run: RunConfig, model: Path | None) -> None:
    rows = write_jsonl(pod.root / "rows.jsonl", answers(ROWS))
    test = write_jsonl(pod.root / "test.jsonl", answers(8, surcharge=1))
    pod.stage(run, rows, test, model if run.task == "Instruction" else None)


class Pods:
    """The pods of one attempt, each a process of its own as its container starts it."""

    def __init__(self, root: Path, run: RunConfig, model: Path | None) -> None:
        self.pods = [Pod(root / f"pod-{index}") for index in range(run.nodes)]
        for pod in self.pods:
            if not (pod.root / "rows.jsonl").exists():
                stage(pod, run, model)
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        self.processes = [self._start(index, meeting) for index in range(run.nodes)]

    def _start(self, index: int, meeting: dict[str, str]) -> subprocess.Popen[str]:
        own = meeting | {"JOB_COMPLETION_INDEX": str(index), "OMP_NUM_THREADS": "1"}
        log = (self.pods[index].root / "log.txt").open("w")
        return subprocess.Popen(
            [sys.executable, "-m", "banktuner_trainer"],
            env=os.environ | self.pods[index].environment() | own,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def codes(self) -> list[int]:
        return [process.wait(timeout=300) for process in self.processes]

    def log(self, index: int) -> str:
        return (self.pods[index].root / "log.txt").read_text()


def alone(root: Path, run: RunConfig, model: Path | None) -> Pod:
    """One process, in this one."""
    pod = Pod(root)
    stage(pod, run, model)
    pod.answer_requests(run)
    run_attempt(run, paths_from(pod.environment()))
    return pod


def numbers(pod: Pod) -> dict[str, float]:
    """Metrics that follow from the training alone."""
    result = json.loads((pod.output / "report" / "result.json").read_text())
    names = ("train_loss", "perplexity", "trainable_parameters", "trainable_ratio")
    steps = {f"step {point['step']}": point["loss"] for point in result["lossCurve"]}
    return {one["name"]: one["value"] for one in result["metrics"] if one["name"] in names} | steps


def assert_same(first: Pod, single: Pod, rate: float = 0.003) -> None:
    """The artifact is whole, and what one process makes; so are the numbers."""
    assert numbers(first) == pytest.approx(numbers(single), rel=TOLERANCE)
    files = sorted(single.output.rglob("*.safetensors"))
    assert files and [file.relative_to(single.output) for file in files] == sorted(
        file.relative_to(first.output) for file in first.output.rglob("*.safetensors")
    )
    for file in files:
        one, two = load_file(file), load_file(first.output / file.relative_to(single.output))
        assert one.keys() == two.keys()
        for name, weight in one.items():
            assert weight.dtype == two[name].dtype and weight.shape == two[name].shape
            assert (weight.float() - two[name].float()).abs().max() < rate * WEIGHTS, name


def until_logged(pods: Pods, index: int, words: str) -> None:
    """Wait until a pod's log has these words."""
    deadline = time.monotonic() + 240
    while words not in pods.log(index):
        assert time.monotonic() < deadline and pods.processes[index].poll() is None, pods.log(index)
        time.sleep(0.02)


def test_two_pods_make_one_whole_model(tmp_path: Path) -> None:
    together = configured("Pretraining", "Full", 2)
    pods = Pods(tmp_path / "two", together, None)
    pods.pods[0].answer_requests(together)
    single = alone(tmp_path / "one", configured("Pretraining", "Full", 1), None)
    assert pods.codes() == [ExitCode.OK, ExitCode.OK], pods.log(0) + pods.log(1)
    first, second = pods.pods
    assert_same(first, single)
    # The second one only helped: it leaves nothing behind, and no last words.
    assert not (second.root / "termination-log").exists()
    assert not second.output.exists() and not (second.control / "artifact.json").exists()


def test_two_pods_stop_early_together(tmp_path: Path) -> None:
    stopping = {"patience": 1, "minImprovement": 0.9, "everySteps": 4}
    early = {"training": {"epochs": 6, "learningRate": 0.03, "earlyStopping": stopping}}
    together = configured("Pretraining", "Full", 2, **early)
    pods = Pods(tmp_path / "two", together, None)
    pods.pods[0].answer_requests(together)
    single = alone(tmp_path / "one", configured("Pretraining", "Full", 1, **early), None)
    assert pods.codes() == [ExitCode.OK, ExitCode.OK], pods.log(0) + pods.log(1)
    assert_same(pods.pods[0], single, rate=0.03)
    assert "step 24" not in numbers(single)


def test_two_pods_go_on_from_where_they_were_stopped(tmp_path: Path, base_model: Path) -> None:
    lora = {"lora": {"rank": 4, "dropout": 0}, "training": {"epochs": 12}}
    together = configured("Instruction", "LoRA", 2, **lora)
    stopped = Pods(tmp_path / "stopped", together, base_model)
    until_logged(stopped, 0, "step 5/")
    stopped.processes[1].send_signal(signal.SIGTERM)  # only one is told to stop
    single = alone(tmp_path / "one", configured("Instruction", "LoRA", 1, **lora), base_model)
    assert stopped.codes() == [ExitCode.INTERRUPTED, ExitCode.INTERRUPTED], stopped.log(0) + stopped.log(1)
    (checkpoint,) = sorted((stopped.pods[0].work / "checkpoints").glob("step-*"))
    for index in range(together.nodes):  # as `stage` brings it into each pod of the next attempt
        shutil.copytree(checkpoint, tmp_path / "resumed" / f"pod-{index}" / "work" / "resume")
    resumed = Pods(tmp_path / "resumed", together, base_model)
    resumed.pods[0].answer_requests(together)
    assert resumed.codes() == [ExitCode.OK, ExitCode.OK], resumed.log(0) + resumed.log(1)
    step = int(checkpoint.name.removeprefix("step-"))
    assert f"step {step + 1}/" in resumed.log(1) and f"step {step}/" not in resumed.log(1)
    assert_same(resumed.pods[0], single)


def test_a_pod_whose_peer_is_killed_ends_and_says_so(tmp_path: Path) -> None:
    run = configured("Pretraining", "Full", 2, training={"epochs": 500})
    pods = Pods(tmp_path, run, None)
    until_logged(pods, 0, "step 1/")
    pods.processes[1].kill()
    assert pods.codes() == [ExitCode.INTERRUPTED, -signal.SIGKILL], pods.log(0)
    assert pods.pods[0].termination()["reason"] == "PeerLost"
