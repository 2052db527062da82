"""What is erased, what is kept and for how long, and that strangers cannot fill the record."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from banktuner_gateway.audit import denials
from banktuner_gateway.audit.denials import Denials
from banktuner_gateway.audit.keys import KeySource
from banktuner_gateway.audit.metrics import AuditCollector
from banktuner_gateway.audit.record import Erasure, Record, read_record
from banktuner_gateway.audit.retention import expired_files
from banktuner_gateway.audit.volume import VolumeSink
from tests.gateway.audit.support import check, decision, key_file, make_lines, open_log, write_lines


def read(folder: Path) -> list[Record]:
    return [read_record(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


async def test_an_erasure_is_on_record_and_the_chain_stays_whole(tmp_path: Path) -> None:
    async with open_log(VolumeSink(tmp_path, "pod-a"), KeySource(key_file(tmp_path)), "pod-a") as log:
        await log.append(decision(1, conversation="c-1"))
        await log.append(Erasure(request_id="r-2", caller="teller", conversation="c-1"))
    erasure = read(tmp_path)[2]
    assert (erasure.event, erasure.data) == (
        "erasure",
        {"request_id": "r-2", "caller": "teller", "conversation": "c-1"},
    )
    assert check(*tmp_path.glob("*.jsonl")).problems == []


def test_chains_expire_as_a_whole(tmp_path: Path) -> None:
    old = make_lines(6, "pod-a", time="2021-01-31T23:59:59.999999Z")
    write_lines(tmp_path / "pod-a.0.jsonl", old[:3])
    write_lines(tmp_path / "pod-a.3.jsonl", old[3:])
    write_lines(tmp_path / "pod-b.0.jsonl", make_lines(3, "pod-b", time="2021-01-01T00:00:00.000000Z"))
    write_lines(tmp_path / "pod-b.3.jsonl", make_lines(6, "pod-b", time="2021-02-01T00:00:00.000000Z")[3:])
    write_lines(tmp_path / "pod-c.0.jsonl", [*make_lines(3, "pod-c", time="2020-01-01T00:00:00.000000Z"), b"torn"])
    files = sorted(tmp_path.iterdir())
    assert [path.name for path in expired_files(files, "2021-02-01")] == ["pod-a.0.jsonl", "pod-a.3.jsonl"]
    assert expired_files(files, "2021-01-31") == []

    command = [sys.executable, "-m", "banktuner_gateway.audit", "expired", str(tmp_path), "--before", "2021-02-01"]
    environment = {**os.environ, "PYTHONPATH": "operator"}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.stdout.splitlines() == [str(path) for path in files[:2]]
    for path in files[:2]:
        path.unlink()
    assert [problem.chain for problem in check(*tmp_path.iterdir()).problems if problem.chain == "pod-a"] == []


async def test_a_flood_of_denials_is_counted_not_written(tmp_path: Path) -> None:
    async with open_log(VolumeSink(tmp_path, "pod-a"), KeySource(key_file(tmp_path)), "pod-a") as log:
        strangers = Denials(log)
        denial = decision(1, outcome="denied", status=401, error_code="unauthorized", caller=None)
        await asyncio.gather(*(strangers.record(denial) for _ in range(1000)))
        await strangers.record(denial.model_copy(update={"status": 403}))
        await asyncio.sleep(denials.WINDOW_SECONDS + 0.2)
        await strangers.record(denial)
        await strangers.record(denial)
        await strangers.stop()
    counts = [(r.data["status"], r.data.get("repeated", 1)) for r in read(tmp_path) if r.event == "decision"]
    assert sorted(counts) == [(401, 1), (401, 1), (401, 1), (401, 999), (403, 1)]


async def test_metrics_tell_how_far_the_chain_is(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    async with open_log(VolumeSink(tmp_path, "pod-a"), KeySource(key_file(tmp_path)), "pod-a") as log:
        registry.register(AuditCollector(log))
        await log.append(decision(1))
        text = generate_latest(registry).decode()
    assert 'banktuner_audit_sequence{chain="pod-a"} 1.0' in text
    assert "banktuner_audit_available 1.0" in text
    assert "banktuner_audit_refused_total 0.0" in text
    assert "banktuner_audit_write_seconds_count 2.0" in text
