"""A pod with several GPUs: how its first process ends when those that it started end. They are shell scripts here."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from banktuner_api.exit_codes import ExitCode
from banktuner_api.run_config import RunConfig
from banktuner_trainer import launcher
from banktuner_trainer.__main__ import _interrupt, main
from banktuner_trainer.settings import Paths
from tests.trainer.conftest import answers
from tests.trainer.harness import Pod, run_config, write_jsonl

pytestmark = pytest.mark.usefixtures("restore_sigterm")
SAY = 'echo "$BANKTUNER_PROCESS said $1" > "$BANKTUNER_TERMINATION_LOG"; exit $2\n'


@pytest.fixture
def restore_sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path / "etc", tmp_path / "work", tmp_path / "termination-log", tmp_path / "token")
    made.control.mkdir(parents=True)
    (made.control / "staged.json").write_text("{}")
    return made


@pytest.fixture
def run() -> RunConfig:
    return run_config("Instruction", "LoRA", limits={"gpus": 2})


def play(monkeypatch: pytest.MonkeyPatch, folder: Path, first: str, second: str) -> None:
    """What the two processes do instead of training."""
    script = folder / "trainer.sh"
    script.write_text(
        f'#!/bin/sh\nend() {{\n{SAY}}}\ncase "$BANKTUNER_PROCESS" in\n0) {first} ;;\n1) {second} ;;\nesac\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(script))


def test_all_well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, paths: Paths) -> None:
    play(monkeypatch, tmp_path, "end committed 0", "sleep 0.5; exit 0")
    assert launcher.launch(run, paths) == ExitCode.OK
    assert paths.termination_log.read_text() == "0 said committed\n"


def test_a_pod_with_two_gpus_starts_two_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, pod: Pod
) -> None:
    """The container's own command; with one GPU it trains itself."""
    pod.stage(run, write_jsonl(tmp_path / "rows.jsonl", answers(8)))
    play(monkeypatch, tmp_path, "sleep 0.5; end committed 0", "end invalid 65")
    monkeypatch.setattr(launcher, "LEAVE_SECONDS", 1.0)
    assert main() == ExitCode.INVALID_DATA
    assert (pod.root / "termination-log").read_text() == "1 said invalid\n"
    assert (pod.work / "process-1" / "control" / "staged.json").exists()
    assert (pod.work / "process-1" / "data").is_symlink()


def test_each_process_has_its_gpu_and_its_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, paths: Paths
) -> None:
    told = 'echo "$CUDA_VISIBLE_DEVICES $BANKTUNER_WORK_DIR $MASTER_ADDR"'
    play(monkeypatch, tmp_path, f"{told} > {tmp_path}/0", f"{told} > {tmp_path}/1")
    assert launcher.launch(run, paths) == ExitCode.OK
    assert (tmp_path / "0").read_text() == f"0 {paths.work} 127.0.0.1\n"
    assert (tmp_path / "1").read_text() == f"1 {paths.work}/process-1 127.0.0.1\n"


@pytest.mark.parametrize(
    ("first", "second", "code", "words"),
    [
        ("end lost 75", "sleep 0.5; end invalid 65", ExitCode.INVALID_DATA, "1 said invalid\n"),
        ("sleep 0.5; end lost 75", "end invalid 65", ExitCode.INVALID_DATA, "1 said invalid\n"),
        ("end lost 75", "end stopped 75", ExitCode.INTERRUPTED, None),
    ],
)
def test_the_process_that_the_others_followed_speaks(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    run: RunConfig,
    paths: Paths,
    first: str,
    second: str,
    code: int,
    words: str | None,
) -> None:
    play(monkeypatch, tmp_path, first, second)
    assert launcher.launch(run, paths) == code
    assert words is None or paths.termination_log.read_text() == words


def test_a_killed_process_ends_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, paths: Paths
) -> None:
    monkeypatch.setattr(launcher, "LEAVE_SECONDS", 0.5)
    play(monkeypatch, tmp_path, "exec sleep 60", "kill -9 $$")
    assert launcher.launch(run, paths) == 128 + signal.SIGKILL


def test_told_to_stop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, paths: Paths) -> None:
    wait = f'trap "end stopped 75" TERM; touch {tmp_path}/up-$BANKTUNER_PROCESS; while :; do sleep 0.1; done'
    play(monkeypatch, tmp_path, wait, wait)

    def stop() -> None:
        while not all((tmp_path / f"up-{number}").exists() for number in range(2)):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop, daemon=True).start()
    assert launcher.launch(run, paths) == ExitCode.INTERRUPTED
    assert paths.termination_log.read_text().endswith("said stopped\n")


def test_told_to_stop_while_it_starts_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: RunConfig, paths: Paths
) -> None:
    """As the container does it: until then the signal is an exception, which would leave the first one to itself."""
    wait = f'trap "end stopped 75" TERM; touch {tmp_path}/up; for n in $(seq 600); do sleep 0.1; done'
    play(monkeypatch, tmp_path, wait, "exec sleep 60")
    own_place = launcher._own_place

    def signalled(number: int, paths: Paths) -> Path:
        while not (tmp_path / "up").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)
        return own_place(number, paths)

    monkeypatch.setattr(launcher, "_own_place", signalled)
    signal.signal(signal.SIGTERM, _interrupt)
    assert launcher.launch(run, paths) in (ExitCode.INTERRUPTED, 128 + signal.SIGTERM)
    assert (paths.work / "last-words-0").read_text() == "0 said stopped\n"
