"""`python -m banktuner_gateway` as a process of its own, on the files that a pod would mount."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "banktuner_gateway")


def start_process(
    files: Path, port: int, python: Path | str = sys.executable, program: Sequence[str] = PROGRAM, **options
) -> subprocess.Popen[str]:
    """Its output comes together, as text, on a pipe unless `options` say otherwise."""
    folders = {"config": files, "tokens": files / "tokens", "audit": files / "audit"}
    folders |= {"secrets": files / "secrets", "work": files / "work"}
    arguments = [f"--{name}-dir={folder}" for name, folder in folders.items()]
    command = [python, *program, "--host=127.0.0.1", f"--port={port}", *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), **options.pop("environment", {})}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
    return subprocess.Popen([*command, f"--token-file={files / 'agent-token'}"], text=True, env=environment, **streams)


@contextmanager
def running_process(
    files: Path, probe: str = "/readyz", **options
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """From when it answers `probe` with 200 until the end of the context; the client knows its address."""
    port = free_port()
    running = start_process(files, port, **options)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            wait_until_ready(client, running, probe)
            yield running, client
    finally:
        running.kill()
        running.wait()


def wait_until_ready(client: httpx.Client, running: subprocess.Popen[str], probe: str) -> None:
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        assert running.poll() is None, "the process ended"
        try:
            if client.get(probe).status_code == 200:
                return
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError("not ready within 10 minutes")
