"""What happens to a run when the world around it fails: real signals, a full disk, no memory, nobody to store."""

import random
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_api import names
from banktuner_api.agent import Report
from banktuner_api.checkpoint import run_fingerprint
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_api.handshake import (
    CHECKPOINT,
    CHECKPOINT_FAILURE,
    CHECKPOINT_STORED,
    CheckpointSaved,
    Failure,
    Staged,
    write_control,
)
from banktuner_api.run_config import RunConfig
from banktuner_trainer.checkpoint import folders
from banktuner_trainer.reporting import Reporter
from tests.trainer.harness import Pod, run_config
from tests.trainer.test_resume import attempt, configured, digests, files, numbers, restore_sigterm

__all__ = ["files", "restore_sigterm"]

PLACE = {"checkpoints": {"uri": "s3://bank/out/bank/job/u-1/checkpoints"}}


def complete(pod: Pod, run: RunConfig) -> folders.Complete | None:
    staged = Staged.model_validate_json((pod.control / "staged.json").read_bytes())
    places = [folder for _, folder in folders.listed(pod.work / "checkpoints")]
    return folders.newest(places, run_fingerprint(run, staged))


def store_checkpoints(pod: Pod, delay: float) -> list[int]:
    """In the place of `publish`: says that a checkpoint is stored, `delay` seconds after it is saved."""
    stored: list[int] = []

    def answer() -> None:
        place, deadline = pod.control / CHECKPOINT, time.monotonic() + 120
        while not place.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        saved = CheckpointSaved.model_validate_json(place.read_bytes())
        time.sleep(delay)
        stored.append(saved.step)
        told = CheckpointStatus(step=saved.step, uri="s3://bank/c/step-1", saved_time="2026-01-01T00:00:00Z")
        write_control(pod.control, CHECKPOINT_STORED, told)

    threading.Thread(target=answer, daemon=True).start()
    return stored


def test_a_run_told_to_stop_waits_until_its_checkpoint_is_stored(tmp_path: Path, files: dict[str, Path]) -> None:
    run, pod = configured("Instruction", "LoRA", lora={"rank": 4}, **PLACE), Pod(tmp_path / "pod")
    stored = store_checkpoints(pod, delay=2)
    code, watch = attempt(pod, run, files, stop="step 5/")
    assert code == ExitCode.INTERRUPTED and stored, "the process ends after the answer"
    assert "the checkpoint of step 5 is stored" in watch.lines


def test_it_does_not_wait_longer_than_the_grace_period(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "GRACE_SECONDS", 12)
    run, pod = configured("Instruction", "LoRA", lora={"rank": 4}, **PLACE), Pod(tmp_path / "pod")
    code, watch = attempt(pod, run, files, stop="step 5/")
    assert code == ExitCode.INTERRUPTED and "the checkpoint of step 5 is not stored in time" in watch.lines
    assert complete(pod, run) is not None, "the sidecar may still store it"


def test_a_checkpoint_that_cannot_be_stored_is_told_and_stops_nothing(tmp_path: Path, files: dict[str, Path]) -> None:
    run, pod = configured("Instruction", "LoRA", lora={"rank": 4}, **PLACE), Pod(tmp_path / "pod")
    failure = Failure(reason="CheckpointNotStored", message="the store is away", field="spec.output.uri")
    write_control(pod.control, CHECKPOINT_FAILURE, failure)
    reports: list[tuple[str, str]] = []
    deliver = Reporter._deliver

    def seen(self: Reporter, report: Report) -> None:
        reports.append((report.reason, report.message))
        deliver(self, report)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Reporter, "_deliver", seen)
        assert attempt(pod, run, files)[0] == ExitCode.OK
    assert ("CheckpointNotStored", "the store is away") in reports


def test_killed_and_stopped_processes_end_like_one_that_was_not(tmp_path: Path, files: dict[str, Path]) -> None:
    """SIGKILL about a save, then SIGTERM, each to a real process; the last attempt runs to the end."""
    same: dict[str, Any] = {"lora": {"rank": 4, "dropout": 0.1}, "training": {"epochs": 30}}
    run = configured("Instruction", "LoRA", checkpoint={"everySteps": 1}, **same)
    calm, pod = Pod(tmp_path / "calm"), Pod(tmp_path / "pod")
    code, undisturbed = attempt(calm, configured("Instruction", "LoRA", **same), files)
    assert code == ExitCode.OK
    pod.stage(run, files["answers"], files["answers_test"], files["model"])
    reached = 0
    for kind in (signal.SIGKILL, signal.SIGTERM):
        process = pod.start()
        assert process.stdout is not None
        wanted = f"checkpoint of step {reached + 7} saved"
        next(line for line in process.stdout if wanted in line)
        time.sleep(random.Random(kind).uniform(0, 0.03))
        process.send_signal(kind)
        process.stdout.read()
        assert process.wait(60) == (-signal.SIGKILL if kind == signal.SIGKILL else ExitCode.INTERRUPTED)
        found = complete(pod, run)
        assert found is not None and found.step >= reached + 7
        reached = found.step
    code, after = attempt(pod, run, files)
    assert code == ExitCode.OK and min(after.losses) > reached
    assert after.losses.items() <= undisturbed.losses.items()
    assert digests(pod) == digests(calm) and numbers(pod) == numbers(calm)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own; `resize` makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", place], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"file systems cannot be mounted here: {mounted.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_ends_the_run_for_good_and_harms_no_checkpoint(
    tmp_path: Path, files: dict[str, Path], small_disk: Path
) -> None:
    every = {"checkpoint": {"everySteps": 2}, "training": {"maxSteps": 12, "epochs": None}}
    run, calm = configured("Instruction", "Full", **every), Pod(tmp_path / "calm")
    code, undisturbed = attempt(calm, run, files)
    assert code == ExitCode.OK
    size = sum(file.stat().st_size for file in (calm.work / "checkpoints" / "step-10").iterdir())
    subprocess.run(["mount", "-o", f"remount,size={int(size * 2.6)}", small_disk], check=True)
    pod = Pod(small_disk / "pod")
    code, watch = attempt(pod, run, files, stop="never")
    assert code == ExitCode.DISK_FULL
    assert pod.termination()["reason"] == "DiskFull"
    assert pod.termination()["field"] == "spec.resources.ephemeralStorage"
    assert not (pod.control / "artifact.json").exists()
    found = complete(pod, run)
    assert found is not None and found.step == 4, "the third did not fit beside the two that are kept"
    assert sorted(path.name for path in (pod.work / "checkpoints").iterdir()) == ["step-2", "step-4"]
    subprocess.run(["mount", "-o", "remount,size=100m", small_disk], check=True)
    code, after = attempt(pod, run, files)
    assert code == ExitCode.OK and min(after.losses) == 5
    assert watch.losses | after.losses == undisturbed.losses and digests(pod) == digests(calm)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """This process may take 400 MB more than it has."""
    status = Path("/proc/self/status").read_text()
    held = next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmData:"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (held + 400_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, before)


def test_no_memory_ends_the_run_with_advice(tmp_path: Path, files: dict[str, Path], little_memory: None) -> None:
    architecture = {"hiddenSize": 1024, "layers": 24, "heads": 8, "vocabularySize": 320, "contextLength": 64}
    run, pod = run_config("Pretraining", "Full", architecture=architecture), Pod(tmp_path / "pod")
    code, _ = attempt(pod, run, files, stop="never")
    assert code == ExitCode.OUT_OF_MEMORY
    told = pod.termination()
    assert told["reason"] == "OutOfMemory" and told["field"].startswith("spec.")
    assert "spec.training.batchSize" in told["message"] and not (pod.control / "artifact.json").exists()
