"""Running commands and telling what happens: steps with their seconds, failures with a remedy and the log's tail."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

TAIL_LINES = 25


class ClusterError(Exception):
    """A step failed; `remedy` is one line telling what to do, `log` the file whose end explains it."""

    def __init__(self, message: str, remedy: str, log: Path | None = None) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.log = log


def say(text: str) -> None:
    """Tell the person at the terminal; standard error, so that `env` stays usable in `eval`."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Show a step's name when it starts and its seconds when it ends."""
    started = time.monotonic()
    say(f"[{time.strftime('%H:%M:%S')}] {name} ...")
    try:
        yield
    except BaseException:
        say(f"[{time.strftime('%H:%M:%S')}] {name}: failed after {time.monotonic() - started:.1f} s")
        raise
    say(f"[{time.strftime('%H:%M:%S')}] {name}: {time.monotonic() - started:.1f} s")


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The last lines of a log, or an empty text where there is none."""
    if not log.is_file():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def run(
    command: Sequence[str],
    *,
    remedy: str,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | None = None,
) -> str:
    """Run a command to its end and return its standard output; with `log`, both streams go there instead.

    Raises ClusterError with the remedy when it cannot start or does not exit with 0.
    """
    full_env = {**os.environ, **(env or {})}
    try:
        if log is None:
            done = subprocess.run(
                command, env=full_env, cwd=cwd, input=stdin, text=True, capture_output=True, check=False
            )
        else:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a") as sink:
                done = subprocess.run(
                    command,
                    env=full_env,
                    cwd=cwd,
                    input=stdin,
                    text=True,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    check=False,
                )
    except FileNotFoundError as error:
        raise ClusterError(f"{command[0]} is not installed", remedy) from error
    if done.returncode != 0:
        detail = "" if log else f": {(done.stderr or done.stdout or '').strip()[-2000:]}"
        raise ClusterError(f"`{' '.join(command[:4])}` exited with {done.returncode}{detail}", remedy, log)
    return done.stdout or ""


def run_twice(
    command: Sequence[str], *, remedy: str, log: Path, env: Mapping[str, str], cwd: Path | None = None
) -> None:
    """Run a command, and once more where it fails: for what may fail once and goes on from where it was."""
    try:
        run(command, remedy=remedy, log=log, env=env, cwd=cwd)
    except ClusterError:
        run(command, remedy=remedy, log=log, env=env, cwd=cwd)


def succeeds(command: Sequence[str], env: Mapping[str, str] | None = None) -> bool:
    """Whether a command runs and exits with 0; its output is dropped."""
    try:
        done = subprocess.run(command, env={**os.environ, **(env or {})}, capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def wait_until(ready: Callable[[], bool], *, seconds: float, what: str, remedy: str, log: Path | None = None) -> None:
    """Ask `ready` five times a second until it says yes; ClusterError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} not ready after {seconds:.0f} s", remedy, log)
        time.sleep(0.2)


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner can read, complete or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.touch(mode=0o600)
    beside.write_text(text)
    beside.replace(path)
