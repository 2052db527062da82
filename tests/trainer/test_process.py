"""Settings, errors, threads and the handshake, as the process sees them; nothing here needs torch."""

import errno
import gc
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from banktuner_api.agent import AgentError, Report
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.finetunejob_status import ArtifactStatus, Phase, ServedAs
from banktuner_api.handshake import COMMITTED, Result, write_control
from banktuner_trainer.__main__ import main
from banktuner_trainer.environment import cpu_limit, limit_caches, quick_imports
from banktuner_trainer.errors import Interrupted, classify, invalid_data
from banktuner_trainer.progress import Step
from banktuner_trainer.reporting import Reporter, metric
from banktuner_trainer.settings import Paths, paths_from, read_run_config
from tests.trainer.harness import DIGEST, Pod, run_config

RESULT = Result(
    artifact=ArtifactStatus(
        uri="s3://bank/out",
        digest=DIGEST,
        size_bytes=1,
        task=Task.INSTRUCTION,
        method=Method.LORA,
        model_digest=DIGEST,
        served_as=ServedAs.ADAPTER,
    ),
    metrics=[metric("eval_loss", 0.25)],
)


@pytest.fixture(autouse=True)
def restore_sigterm() -> object:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_paths_are_the_containers_unless_moved() -> None:
    assert paths_from({}) == Paths()
    assert str(paths_from({}).output) == "/work/output"
    assert paths_from({"BANKTUNER_WORK_DIR": "/x"}).control == Path("/x/control")


def test_config_that_cannot_be_read_names_the_field(pod: Pod) -> None:
    paths = paths_from(pod.environment())
    (pod.root / "etc").mkdir()
    content = run_config("Instruction", "LoRA").to_json()
    content["training"]["batchSize"] = "many"
    (pod.root / "etc" / "run.json").write_text(json.dumps(content))
    assert main() == ExitCode.INVALID_CONFIG
    assert pod.termination()["field"] == "spec.training.batchSize"
    (pod.root / "etc" / "run.json").write_text(json.dumps(run_config("Instruction", "LoRA").to_json()))
    assert read_run_config(paths) == run_config("Instruction", "LoRA")


def test_a_committed_attempt_ends_at_once_with_its_result(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    write_control(pod.control, COMMITTED, RESULT)
    monkeypatch.setattr("banktuner_trainer.__main__.read_run_config", lambda _: pytest.fail("it begins the attempt"))
    assert main() == ExitCode.OK
    assert Result.model_validate(pod.termination()) == RESULT


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (invalid_data("x"), ExitCode.INVALID_DATA),
        (Interrupted(), ExitCode.INTERRUPTED),
        (MemoryError(), ExitCode.OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), ExitCode.OUT_OF_MEMORY),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), ExitCode.OUT_OF_MEMORY),
        (OSError(errno.ENOSPC, "No space left on device"), ExitCode.DISK_FULL),
        (OSError(errno.EIO, "broken"), ExitCode.INTERNAL),
        (KeyError("a customer's text"), ExitCode.INTERNAL),
    ],
)
def test_every_ending_has_its_code_and_leaks_nothing(error: BaseException, code: ExitCode) -> None:
    ending = classify(error)
    assert ending.code is code
    assert "customer" not in ending.failure().message


def test_the_log_of_an_unexpected_error_has_frames_and_no_words(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = "a customer's text"

    def reads_a_row(_: Paths) -> None:
        try:
            raise ValueError(row)
        except ValueError as error:
            raise KeyError(row) from error

    monkeypatch.setattr("banktuner_trainer.__main__.read_run_config", reads_a_row)
    assert main() == ExitCode.INTERNAL
    assert [word in caplog.text for word in ("reads_a_row", "KeyError", "ValueError")] == [True] * 3
    assert "customer" not in caplog.text
    assert pod.termination()["reason"] == "Internal"


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_threads_follow_the_cgroups_quota(tmp_path: Path, files: dict[str, str], limit: int) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu_limit(tmp_path) == min(limit, cpu_limit(tmp_path / "none"))


@pytest.mark.parametrize(
    "files", [{"cpu.max": "max 100000"}, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, {}]
)
def test_without_a_quota_all_cpus_are_used(tmp_path: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert cpu_limit(tmp_path) == cpu_limit(tmp_path / "none")


@pytest.mark.parametrize("asked", [None, "7"])
def test_few_kernels_are_kept_unless_somebody_asks_for_more(monkeypatch: pytest.MonkeyPatch, asked: str | None) -> None:
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", asked or "")
    if asked is None:
        monkeypatch.delenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY")
    limit_caches()
    assert os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == (asked or "64")


def test_reports_are_thinned_out_and_the_last_one_arrives() -> None:
    sent: list[Report] = []
    started = time.monotonic()
    with Reporter(sent.append, attempt=3, interval_seconds=0.2) as reporter:
        for percent in range(50):
            reporter.update(Phase.RUNNING, percent, remaining_seconds=1.0, metrics={"loss": 1 / 3})
            time.sleep(0.01)
    assert 2 <= len(sent) <= (time.monotonic() - started) / 0.2 + 3
    last = sent[-1]
    assert last.attempt == 3
    assert last.trainer_status is not None
    assert last.trainer_status.progress_percentage == 49
    assert last.trainer_status.metrics[0].value == "0.333333"


def test_an_agent_that_is_away_stops_nothing() -> None:
    def refuse(_: Report) -> None:
        raise AgentError("away")

    with Reporter(refuse, attempt=1, interval_seconds=0.01) as reporter:
        reporter.begin(Step.READ)
        time.sleep(0.1)
        reporter.begin(Step.TRAIN)
    assert not reporter._thread.is_alive()


def test_what_imports_are_to_miss_is_there_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with quick_imports("colorsys"):
        assert not gc.isenabled()
        with pytest.raises(ImportError):
            importlib.import_module("colorsys")
    assert gc.isenabled()
    assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)
