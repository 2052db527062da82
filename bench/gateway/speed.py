"""What the gateway adds to an instant engine, and how much it bears; LiteLLM's proxy beside it in the same run."""

import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from bench.gateway import servers
from bench.gateway.client import Load
from bench.gateway.scope_artifact import classifier_folder
from bench.rows import Measurement, Row, Settings

QUESTION = (
    "How do I see the balance of my account, and what does it cost to send 250 EUR to DE89 3704 0044 0532 0130 00?"
)
CARD_QUESTION = (
    "My card 4111 1111 1111 1111 was declined when I tried to pay in a shop today. Why did my payment not go through?"
)
"""About one thing, so that no classifier of a bank's questions can take it for another's."""
OPENAI, GUARDED = (
    json.dumps({"model": "assistant", "messages": [{"role": "user", "content": text}]})
    for text in (QUESTION, CARD_QUESTION)
)
AUTH = {"authorization": f"Bearer {servers.TOKEN}"}
PATH = "/v1/chat/completions"
ROUNDS, ALONE, STEADY_SECONDS, STEADY_RATE = 5, 300, 10, 100
GUARDED_SECONDS, GUARDED_RATE = 20, 20
RECORD_BYTES = 1024
CROWD, CROWD_REQUESTS, MEMORY_REQUESTS, WARM_REQUESTS = 50, 4000, 100_000, 5000


def added(settings: Settings) -> list[Row]:
    """Gateway and engine asked in turn: one connection, then a steady rate. Every guard is on but the classifier.

    Once more with the audit's records on a volume: each answer then waits for the disk.
    """
    folder = _folder(settings)
    alone: list[float] = []
    volume: list[float] = []
    syncs: list[float] = []
    steady: list[float] = []
    with (
        servers.backend(folder) as engine,
        servers.gateway(folder / "gateway", engine) as (port, _),
        servers.gateway(folder / "gateway-volume", engine, sink="Volume") as (on_volume, _),
    ):
        for each in (port, on_volume):
            _ask(each, WARM_REQUESTS // 10, 1, folder)
        for _ in range(ROUNDS):
            alone.append(_added_alone(port, engine, folder))
            volume.append(_added_alone(on_volume, engine, folder))
            syncs.append(_sync_ms(folder))
            requests = STEADY_RATE * STEADY_SECONDS
            through = _ask(port, requests, CROWD, folder, STEADY_RATE)
            direct = _ask(engine, requests, CROWD, folder, STEADY_RATE)
            steady.append(_p95(through) - _p95(direct))
    told = "over the same engine asked directly in the same run; median of the rounds"
    disk = f"with the audit's sink Volume; the disk itself takes {statistics.median(syncs):.2f} ms to keep a record"
    return [
        _added("added_p50_ms", alone, 2, f"{told}; one connection"),
        _added("added_p50_volume_ms", volume, None, f"{told}; one connection, {disk}"),
        _added("added_p95_ms", steady, 10, f"{told}; 100 requests/s"),
    ]


def _added_alone(port: int, engine: int, folder: Path) -> float:
    """Milliseconds, of one connection's medians."""
    return statistics.median(_ask(port, ALONE, 1, folder)) - statistics.median(_ask(engine, ALONE, 1, folder))


def _sync_ms(folder: Path) -> float:
    """Median of appending a record's bytes to a file until the disk has them, as `VolumeSink` does."""
    seconds: list[float] = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(ALONE):
            began = time.perf_counter()
            file.write(b"r" * RECORD_BYTES)
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - began)
    return statistics.median(seconds) * 1000


def _added(name: str, rounds: list[float], bar: float | None, peer: str) -> Row:
    return Row(name, statistics.median(rounds), "ms", bar, peer, rounds, lower_is_better=True)


def capacity(settings: Settings) -> list[Row]:
    """50 connections that ask as fast as they are answered; the server has one core."""
    folder = _folder(settings)
    ours: list[float] = []
    theirs: list[float] = []
    with servers.backend(folder) as engine:
        for _ in range(ROUNDS):
            with servers.gateway(folder / "gateway", engine) as (port, _):
                ours.append(_rate(port, CROWD_REQUESTS, folder))
            with servers.litellm(folder, engine) as port:
                theirs.append(_rate(port, CROWD_REQUESTS // 8, folder))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    peer = f"LiteLLM's proxy, one worker, no guards: {statistics.median(theirs):.0f} requests/s"
    return [
        Row("requests_per_second_per_core", statistics.median(ours), "requests/s", 500, peer, ours),
        Row("litellm_throughput_ratio", statistics.median(ratios), "x", 5, peer, ratios),
    ]


def guarded(settings: Settings) -> list[Row]:
    """With every guard on: the question and the answer go through the classifier too."""
    folder = _folder(settings)
    runs: list[float] = []
    with (
        servers.backend(folder) as engine,
        servers.gateway(folder / "gateway", engine, classifier_folder()) as (port, _),
    ):
        _ask(port, WARM_REQUESTS // 50, 1, folder, body=GUARDED)
        servers.require_answer(port, PATH, GUARDED)
        for _ in range(ROUNDS):
            runs.append(_p95(_ask(port, GUARDED_RATE * GUARDED_SECONDS, CROWD, folder, GUARDED_RATE, GUARDED)))
    peer = "the whole latency, engine included; none published; median of the rounds; 20 requests/s"
    return [Row("guarded_p95_ms", statistics.median(runs), "ms", 30, peer, runs, lower_is_better=True)]


def memory(settings: Settings) -> list[Row]:
    """Growth of the process's resident memory over 100,000 requests, after it is warm."""
    folder = _folder(settings)
    with servers.backend(folder) as engine, servers.gateway(folder / "gateway", engine) as (port, pid):
        _ask(port, WARM_REQUESTS, CROWD, folder)
        before = _resident(pid)
        _ask(port, MEMORY_REQUESTS, CROWD, folder)
        after = _resident(pid)
    grown = (after / before - 1) * 100
    peer = (
        f"{before / 2**20:.0f} MiB after {WARM_REQUESTS} requests, {after / 2**20:.0f} MiB after {MEMORY_REQUESTS} more"
    )
    return [Row("memory_growth_percent", grown, "%", 5, peer, [grown], lower_is_better=True)]


def _folder(settings: Settings) -> Path:
    folder = settings.scratch / "gateway"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _ask(port: int, requests: int, connections: int, folder: Path, rate: float = 0, body: str = OPENAI) -> list[float]:
    return servers.latencies(Load(port, PATH, body, connections, requests, rate, AUTH), folder)


def _rate(port: int, requests: int, folder: Path) -> float:
    _ask(port, requests // 5, CROWD, folder)
    started = time.perf_counter()
    _ask(port, requests, CROWD, folder)
    return requests / (time.perf_counter() - started)


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def _resident(pid: int) -> int:
    """Bytes."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


MEASUREMENTS = (
    Measurement(("added_p50_ms", "added_p50_volume_ms", "added_p95_ms"), added),
    Measurement(("requests_per_second_per_core", "litellm_throughput_ratio"), capacity),
    Measurement(("guarded_p95_ms",), guarded),
    Measurement(("memory_growth_percent",), memory),
)
