"""Daemons without an init system: each in a session of its own, found again by pid and start time."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from localcluster.settings import MARKER_VARIABLE, Paths


@dataclass(frozen=True)
class Daemon:
    """One long-running process; `inputs` are the files whose change calls for a restart."""

    name: str
    command: tuple[str, ...]
    inputs: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Changes whenever the command, its environment, its binary or its files do."""
        digest = sha256(repr((self.command, sorted(self.env.items()))).encode())
        binary = Path(self.command[0]).stat()
        digest.update(f"{binary.st_size} {binary.st_mtime_ns}".encode())
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def start_time(pid: int) -> str | None:
    """The kernel's start time of a living process, to tell it from a later one with its pid; None for a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def recorded_pid(paths: Paths, name: str) -> tuple[int, str] | None:
    """(pid, fingerprint) of a daemon that still runs, or None."""
    try:
        record = json.loads((paths.pids / f"{name}.json").read_text())
    except (OSError, ValueError):
        return None
    alive = start_time(record["pid"]) == record["start"]
    return (record["pid"], record["fingerprint"]) if alive else None


def ensure(paths: Paths, daemon: Daemon) -> bool:
    """Have exactly one instance of this daemon running, with its current configuration; True if it was started now."""
    fingerprint = daemon.fingerprint()
    found = recorded_pid(paths, daemon.name)
    if found and found[1] == fingerprint:
        return False
    if found:
        stop_pids([found[0]])
    stop_pids(list(unrecorded(paths, daemon)))
    start(paths, daemon, fingerprint)
    return True


def start(paths: Paths, daemon: Daemon, fingerprint: str) -> None:
    """Start a daemon with its log appended to `logs/NAME.log`, and record it."""
    paths.logs.mkdir(parents=True, exist_ok=True)
    paths.pids.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, **daemon.env, MARKER_VARIABLE: f"{paths.cache}:{daemon.name}"}
    with (paths.logs / f"{daemon.name}.log").open("ab") as log:
        child = subprocess.Popen(
            daemon.command,
            env=env,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    record = {"pid": child.pid, "start": start_time(child.pid), "fingerprint": fingerprint}
    beside = paths.pids / f"{daemon.name}.new"
    beside.write_text(json.dumps(record))
    beside.replace(paths.pids / f"{daemon.name}.json")


def unrecorded(paths: Paths, daemon: Daemon) -> Iterator[int]:
    """Processes of this daemon whose record was lost (we were killed between starting and recording it)."""
    mark = f"{MARKER_VARIABLE}={paths.cache}:{daemon.name}".encode()
    for pid, environment in environments():
        if mark in environment and os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(daemon.command[0]):
            yield pid


def marked(paths: Paths) -> list[int]:
    """Every living process that carries our marker, containerd's shims included."""
    mark = f"{MARKER_VARIABLE}={paths.cache}:".encode()
    return [pid for pid, environment in environments() if any(entry.startswith(mark) for entry in environment)]


def environments() -> Iterator[tuple[int, list[bytes]]]:
    """(pid, environment entries) of every process we may look at, ourselves excepted."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            yield int(entry.name), (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue


def stop_pids(pids: list[int], patience: float = 10.0) -> None:
    """End these processes: SIGTERM, then SIGKILL for those still there after `patience` seconds."""
    started = {pid: start_time(pid) for pid in pids}
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for pid in living(started):
            try:
                os.kill(pid, kind)
            except ProcessLookupError:
                continue
        deadline = time.monotonic() + patience
        while living(started) and time.monotonic() < deadline:
            time.sleep(0.05)


def living(started: Mapping[int, str | None]) -> list[int]:
    """Those of the processes that are still the ones that were asked for."""
    return [pid for pid, began in started.items() if began is not None and start_time(pid) == began]


def stop(paths: Paths, name: str) -> None:
    """End one daemon and forget it."""
    found = recorded_pid(paths, name)
    if found:
        stop_pids([found[0]])
    (paths.pids / f"{name}.json").unlink(missing_ok=True)
