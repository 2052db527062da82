"""The process as a pod runs it: what it writes, whom it calls, what it logs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ports import free_port
from tests.ui.gateway import TOKEN, ContractGateway

ROOT = Path(__file__).parents[2]
QUESTION = "My very own card is gone"
# Tells on standard output of every file opened for writing, every folder made and every address called.
WATCHED = """
import os, runpy, sys
def tell(kind, what):
    os.write(1, f"{kind} {what}\\n".encode())  # in one piece: threads tell at the same time
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR):
            tell("write", os.fsdecode(arguments[0]))
    elif event in ("os.mkdir", "os.rename"):
        tell("write", os.fsdecode(arguments[0]))
    elif event == "socket.connect":
        tell("call", arguments[1][1] if isinstance(arguments[1], tuple) else arguments[1])
    elif event == "socket.getaddrinfo":
        tell("name", os.fsdecode(arguments[0] or ""))
sys.addaudithook(watch)
runpy.run_module("banktuner_ui", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def process(gateway_url: str, port: int, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "operator"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(tmp_path),
        "HOME": "/nonexistent",
        "BANKTUNER_UI_GATEWAY_URL": gateway_url,
    }
    command = [sys.executable, "-c", WATCHED, "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(
        command, env=environ, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        yield running
        running.kill()


def use(url: str) -> str:
    """Sign in, open the page, ask a question; the last event of its answer."""
    transport = httpx.HTTPTransport(retries=10)
    with httpx.Client(
        base_url=url, transport=transport, timeout=300, headers={"Sec-Fetch-Site": "same-origin"}
    ) as client:
        answer = client.post("/login", data={"token": TOKEN})
        client.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        assert client.get("/").status_code == 200
        config = client.get("/config").json()
        event = {"session_hash": "page", "fn_index": asking(config), "data": [QUESTION, "default:", False, [], []]}
        assert client.post("/gradio_api/queue/join", json=event).status_code == 200
        with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "page"}) as stream:
            lines = [line for line in stream.iter_lines() if "process_completed" in line]
    return lines[-1]


def asking(config: dict[str, Any]) -> int:
    """The number of the event that asks: the one that the question's Enter key begins."""
    return next(
        event["id"] for event in config["dependencies"] if any(name == "submit" for _, name in event["targets"])
    )


def wait_for(url: str, running: "subprocess.Popen[str]") -> None:
    while running.poll() is None:
        try:
            httpx.get(f"{url}/healthz")
            return
        except httpx.TransportError:
            continue
    raise AssertionError(running.communicate()[1])


def test_it_writes_nothing_calls_the_gateway_alone_and_logs_no_secret(
    process: "subprocess.Popen[str]", gateway: ContractGateway, gateway_url: str, port: int, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{port}"
    wait_for(url, process)
    completed = json.loads(use(url).removeprefix("data: "))
    assert completed["success"] and "order a new one" in json.dumps(completed)
    process.send_signal(signal.SIGTERM)
    said, logged = process.communicate(timeout=120)
    seen = {tuple(line.split(" ", 1)) for line in said.splitlines()}
    outside = {path for kind, path in seen if kind == "write" and not path.startswith((str(tmp_path), "/dev/"))}
    assert outside == set()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert {port for kind, port in seen if kind == "call"} == {gateway_url.rpartition(":")[2]}
    assert {name for kind, name in seen if kind == "name"} <= {"localhost", "127.0.0.1"}
    assert all(secret not in said + logged for secret in (TOKEN, QUESTION, "Freeze the card"))


@pytest.mark.parametrize("arguments", [[], ["--gateway-url", "http://a", "--ca-file", "/nonexistent/ca.crt"]])
def test_settings_that_cannot_be_used(arguments: list[str], tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "operator"), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "banktuner_ui", *arguments]
    ended = subprocess.run(command, env=environ, cwd=tmp_path, text=True, capture_output=True, check=False)
    assert ended.returncode == 2
    assert "--gateway-url" in ended.stderr or "--ca-file" in ended.stderr
    assert "Traceback" not in ended.stderr
