"""One process a GPU: the container's first process starts the others, and ends as they end.

Their exit codes and last words reach the container's own, which a launcher of torch's would replace.
"""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from banktuner_api import names
from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import STAGED
from banktuner_api.run_config import RunConfig
from banktuner_trainer.settings import Paths

logger = logging.getLogger(__name__)

PROCESS = "BANKTUNER_PROCESS"
"""Which process of the pod this is; unset in the one that starts them."""
POLL_SECONDS = 0.2
LEAVE_SECONDS = 30.0
"""For the others to notice that one is gone."""
SHARED = ("model", "data", "encoder", "promoted", "resume")
"""What all processes of a pod read."""


def processes(run: RunConfig) -> int:
    """How many train in each pod."""
    return max(1, run.limits.gpus)


def is_launcher(run: RunConfig) -> bool:
    """Whether this process is to start the others instead of training."""
    return processes(run) > 1 and PROCESS not in os.environ


@dataclass(frozen=True)
class _Child:
    process: subprocess.Popen[bytes]
    last_words: Path


def launch(run: RunConfig, paths: Paths) -> int:
    """Run the pod's processes to their end. Returns the exit code of the one that failed first, with its last words."""
    meeting = {} if run.nodes > 1 else {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    children: list[_Child] = []
    told = False

    def pass_on(*_: object) -> None:
        nonlocal told
        told = True
        _signal(children, signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        for number in range(processes(run)):
            children.append(_start(number, paths, meeting))
        if told:  # it came while they were being started: some may have missed it
            _signal(children, signal.SIGTERM)
        first = _first_to_fail(children)
        if first is not None:
            _end(children)
    finally:
        signal.signal(signal.SIGTERM, before)
    speaker = _culprit(first, children) if first else children[0]
    if speaker.last_words.exists():
        shutil.copyfile(speaker.last_words, paths.termination_log)
    code = speaker.process.returncode
    return code if code >= 0 else 128 - code


def _culprit(first: _Child, children: list[_Child]) -> _Child:
    """The one that the others ended because of: they only tell that somebody is gone."""
    by_themselves = (child for child in children if child.process.returncode > 0)
    return next((child for child in by_themselves if child.process.returncode != ExitCode.INTERRUPTED), first)


def _start(number: int, paths: Paths, meeting: dict[str, str]) -> _Child:
    work = paths.work if number == 0 else _own_place(number, paths)
    last_words = paths.work / f"last-words-{number}"
    last_words.unlink(missing_ok=True)
    own = {
        PROCESS: str(number),
        "CUDA_VISIBLE_DEVICES": str(number),
        "BANKTUNER_WORK_DIR": str(work),
        "BANKTUNER_TERMINATION_LOG": str(last_words),
    }
    command = [sys.executable, "-m", "banktuner_trainer"]
    return _Child(subprocess.Popen(command, env={**os.environ, **meeting, **own}), last_words)


def _own_place(number: int, paths: Paths) -> Path:
    """Inputs are shared; what a process writes would be in the way of the others."""
    place = paths.work / f"process-{number}"
    shutil.rmtree(place, ignore_errors=True)
    (place / "control").mkdir(parents=True)
    shutil.copyfile(paths.control / STAGED, place / "control" / STAGED)
    for name in SHARED:
        (place / name).symlink_to(paths.work / name)
    return place


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _first_to_fail(children: list[_Child]) -> _Child | None:
    """Wait until one fails (that one) or all succeeded (None)."""
    while True:
        ended = [child for child in children if child.process.poll() is not None]
        failed = next((child for child in ended if child.process.returncode != ExitCode.OK), None)
        if failed or len(ended) == len(children):
            return failed
        time.sleep(POLL_SECONDS)


def _end(children: list[_Child]) -> None:
    """The others end by themselves, or when told to (with time for a checkpoint), or by force."""
    for ask, seconds in ((None, LEAVE_SECONDS), (signal.SIGTERM, names.GRACE_SECONDS), (signal.SIGKILL, LEAVE_SECONDS)):
        if ask is not None:
            _signal(children, ask)
        until = time.monotonic() + seconds
        while _alive(children) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)


def _alive(children: list[_Child]) -> list[_Child]:
    return [child for child in children if child.process.poll() is None]


def _signal(children: list[_Child], number: signal.Signals) -> None:
    for child in _alive(children):
        child.process.send_signal(number)
