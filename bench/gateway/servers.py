"""The benchmark's processes: the server under test on the first core, engine and client on the other."""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import httpx

from bench.gateway.client import Load
from bench.gateway.environments import gateway_python, litellm_python
from bench.places import ROOT

TOKEN = "sk-benchmark"
START_SECONDS = 90
SERVER_CORE, OTHER_CORE = 0, 1
NOBODY = "https://127.0.0.1:9"
"""Where the operator would be; the gateway then follows its mounted file."""
Sink = Literal["Stdout", "Volume"]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def process(
    command: Sequence[str], core: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[int]:
    """A process on one core, ended afterwards; gives its id. What it prints goes to `log`."""
    with log.open("wb") as output:
        running = subprocess.Popen(
            ["taskset", "-c", str(core % (os.cpu_count() or 1)), *command],
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", **(environment or {})},
        )
        try:
            yield running.pid
        finally:
            running.terminate()
            running.wait(30)


@contextmanager
def backend(folder: Path) -> Iterator[int]:
    """The instant engine; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "bench.gateway.backend", str(port)]
    with process(command, OTHER_CORE, folder / "backend.log"):
        _await_port(port, folder / "backend.log")
        yield port


@contextmanager
def gateway(
    folder: Path, engine_port: int, classifier: Path | None = None, sink: Sink = "Stdout"
) -> Iterator[tuple[int, int]]:
    """The gateway before that engine, in a folder that is emptied; gives port and process id.

    `classifier`: the `onnx/` of a Classification artifact; None: every guard but that one. `sink`: of the audit.
    """
    shutil.rmtree(folder, ignore_errors=True)
    _write_pod(folder, engine_port, classifier, sink)
    port = free_port()
    places = {"--config-dir": folder, "--tokens-dir": folder / "tokens", "--secrets-dir": folder / "secrets"}
    places |= {"--work-dir": folder / "work", "--audit-dir": folder / "audit"}
    options = [str(part) for option in places.items() for part in option]
    command = [str(gateway_python()), "-m", "banktuner_gateway", *options, "--host", "127.0.0.1", "--port", str(port)]
    with process(command, SERVER_CORE, folder / "gateway.log") as pid:
        _await_status(f"http://127.0.0.1:{port}/readyz", folder / "gateway.log", {503, 200})
        yield port, pid


@contextmanager
def litellm(folder: Path, engine_port: int) -> Iterator[int]:
    """LiteLLM's proxy with one worker before the same engine; gives its port."""
    parameters = {"model": "openai/assistant", "api_base": f"http://127.0.0.1:{engine_port}/v1", "api_key": "none"}
    config = folder / "litellm.json"
    config.write_text(json.dumps({"model_list": [{"model_name": "assistant", "litellm_params": parameters}]}))
    port = free_port()
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    quiet = {"LITELLM_LOG": "ERROR", "LITELLM_TELEMETRY": "False", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    quiet["LITELLM_MASTER_KEY"] = TOKEN
    with process([str(litellm_python().parent / "litellm"), *options], SERVER_CORE, folder / "litellm.log", quiet):
        _await_status(f"http://127.0.0.1:{port}/health/liveliness", folder / "litellm.log", {200})
        yield port


def require_answer(port: int, path: str, body: str) -> None:
    """Raises RuntimeError where the gateway refuses the question: a refusal's latency is no answer's."""
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    said = httpx.post(f"http://127.0.0.1:{port}{path}", content=body, headers=headers, timeout=30).json()
    reason = said["choices"][0]["finish_reason"]
    if reason != "stop":
        raise RuntimeError(f"the gateway gave no answer to measure: its finish reason is {reason}")


def latencies(load: Load, folder: Path) -> list[float]:
    """In milliseconds. Raises RuntimeError where a request failed."""
    command = ["taskset", "-c", str(OTHER_CORE % (os.cpu_count() or 1)), sys.executable, "-m", "bench.gateway.client"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, input=load.to_json(), capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    if done.returncode:
        (folder / "client.log").write_text(done.stderr)
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    measured: list[float] = json.loads(done.stdout)
    return measured


def _write_pod(folder: Path, engine_port: int, classifier: Path | None, sink: Sink) -> None:
    config: dict[str, Any] = {
        "namespace": "bench",
        "name": "assistant",
        "engineUrl": f"http://127.0.0.1:{engine_port}",
        "agentUrl": NOBODY,
        "maxTokens": 256,
        "rateLimit": {"requestsPerMinute": 1_000_000, "burst": 100_000, "concurrency": 1000},
        "scope": {},
        "audit": {"sink": sink},
    }
    desired = {
        "revision": "1",
        "namespace": "bench",
        "name": "assistant",
        "engine": "VLLM",
        "model": {"uri": "s3://bench/model"},
        "maxRank": 64,
        "agentUrl": NOBODY,
    }
    for name in ("tokens", "secrets/audit", "work", "audit"):
        (folder / name).mkdir(parents=True)
    if classifier is not None:
        config["scope"] = {"classifier": {"fineTuneJob": {"name": "scope"}}}
        (folder / "work" / "classifier").symlink_to(classifier, target_is_directory=True)
    (folder / "gateway.json").write_text(json.dumps(config))
    (folder / "desired.json").write_text(json.dumps(desired))
    (folder / "tokens" / "bench").write_text(hashlib.sha256(TOKEN.encode()).hexdigest())
    (folder / "secrets" / "audit" / "key").write_text("0" * 64)


def _await_port(port: int, log: Path) -> None:
    _until(lambda: socket.create_connection(("127.0.0.1", port), 1).close(), OSError, log)


def _await_status(url: str, log: Path, wanted: set[int]) -> None:
    def look() -> None:
        if httpx.get(url, timeout=5).status_code not in wanted:
            raise httpx.HTTPError("not yet")

    _until(look, httpx.HTTPError, log)


def _until(look: Any, error: type[Exception], log: Path) -> None:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        try:
            look()
        except error:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"it does not answer; it said: {log.read_text(errors='replace')[-2000:]}")
