"""The writer on real file systems. G12: a full or read-only disk refuses; G11: crashes leave a chain that verifies."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.keys import AuditKey, KeySource
from banktuner_gateway.audit.log import Timing
from banktuner_gateway.audit.record import read_record
from banktuner_gateway.audit.verify import Options, verify
from banktuner_gateway.audit.volume import VolumeSink
from tests.gateway.audit.conftest import SmallDisk
from tests.gateway.audit.support import KEY, check, decision, head_of, key_file, make_lines, open_log, write_lines


@pytest.fixture
def keys(tmp_path: Path) -> KeySource:
    return KeySource(key_file(tmp_path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "audit").mkdir()
    return tmp_path / "audit"


def events(*paths: Path) -> list[str]:
    return [read_record(line).event for path in paths for line in path.read_bytes().splitlines()]


async def until(true) -> None:
    while not true():
        await asyncio.sleep(0.01)


async def test_concurrent_decisions_are_one_chain_in_few_writes(folder: Path, keys: KeySource) -> None:
    async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as log:
        numbers = await asyncio.gather(*(log.append(decision(number)) for number in range(500)))
        head = log.state.head
        assert log.state.write_seconds[0] < 50
    assert sorted(numbers) == list(range(1, 501))
    result = check(*folder.iterdir(), heads=[head])
    assert (result.problems, result.records) == ([], 502)
    assert result.chains["pod-a"].stopped


async def test_a_record_is_in_the_file_when_append_returns(folder: Path, keys: KeySource) -> None:
    async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as log:
        assert await log.append(decision(1)) == 1
        assert events(*folder.iterdir()) == ["started", "decision"]


async def test_files_follow_each_other_and_the_chain_goes_on(folder: Path, keys: KeySource) -> None:
    async with open_log(VolumeSink(folder, "pod-a", file_bytes=2000), keys, "pod-a") as log:
        for number in range(20):
            await log.append(decision(number))
    files = sorted(folder.iterdir())
    assert len(files) > 5
    assert check(*files).problems == []
    assert check(*files[:3], *files[4:]).problems[0].what.endswith("are missing")


async def test_one_file_has_one_writer(folder: Path, keys: KeySource) -> None:
    async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as log:
        await log.append(decision(1))
        async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as second:
            with pytest.raises(AuditUnavailableError):
                await second.append(decision(2))
            assert not second.healthy
        await log.append(decision(3))
    assert check(*folder.iterdir()).problems == []
    assert events(*folder.iterdir()) == ["started", "decision", "decision", "stopped"]


async def test_nobody_waits_before_the_start_and_after_the_end(folder: Path, keys: KeySource) -> None:
    async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as log:
        pass
    with pytest.raises(AuditUnavailableError):
        await log.append(decision(1))


async def test_who_goes_away_is_recorded_all_the_same(folder: Path, keys: KeySource) -> None:
    async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as log:
        asking = asyncio.create_task(log.append(decision(1)))
        await asyncio.sleep(0)
        asking.cancel()
        assert await log.append(decision(2)) == 2
    assert check(*folder.iterdir()).records == 4


async def test_full_disk_refuses_and_goes_on_when_there_is_room(small_disk: SmallDisk, keys: KeySource) -> None:
    async with open_log(VolumeSink(small_disk.path, "pod-a"), keys, "pod-a") as log:
        await log.append(decision(1))
        small_disk.fill()
        refused = 0
        while log.healthy:  # what is left of the file's last block
            try:
                await log.append(decision(2))
            except AuditUnavailableError:
                refused += 1
        for number in range(5):
            with pytest.raises(AuditUnavailableError):
                await log.append(decision(number))
        assert (refused, log.state.refused) == (1, 6)
        small_disk.free()
        await until(lambda: log.healthy)
        await log.append(decision(3))
        head = log.state.head
    (path,) = small_disk.path.glob("*.jsonl")
    result = check(path, heads=[head])
    assert result.problems == []
    outages = [r for line in path.read_bytes().splitlines() if (r := read_record(line)).event == "outage"]
    assert [outage.data["refused"] for outage in outages] == [5]
    refused_record = outages[0].sequence - 1
    assert (outages[0].data["first"], outages[0].data["last"]) == (refused_record, refused_record)


async def test_all_who_wait_are_refused_when_the_disk_is_full(small_disk: SmallDisk, keys: KeySource) -> None:
    async with open_log(VolumeSink(small_disk.path, "pod-a"), keys, "pod-a") as log:
        await log.append(decision(0))
        small_disk.fill()
        outcomes = await asyncio.gather(*(log.append(decision(n)) for n in range(300)), return_exceptions=True)
        assert all(isinstance(outcome, AuditUnavailableError) for outcome in outcomes)
        assert log.state.refused == 300
        small_disk.remount("size=1m")
        await until(lambda: log.healthy)
    result = check(*small_disk.path.glob("*.jsonl"))
    assert result.problems == []


async def test_read_only_file_system_refuses_and_goes_on(small_disk: SmallDisk, keys: KeySource) -> None:
    small_disk.remount("ro")
    async with open_log(VolumeSink(small_disk.path, "pod-a"), keys, "pod-a") as log:
        with pytest.raises(AuditUnavailableError):
            await log.append(decision(1))
        assert not log.healthy
        small_disk.remount("rw")
        await until(lambda: log.healthy)
        await log.append(decision(2))
    assert events(*small_disk.path.iterdir()) == ["started", "outage", "decision", "stopped"]
    assert check(*small_disk.path.iterdir()).problems == []


WRITER = textwrap.dedent("""
    import asyncio, sys
    from pathlib import Path
    from banktuner_gateway.audit.errors import AuditUnavailableError
    from banktuner_gateway.audit.keys import KeySource
    from banktuner_gateway.audit.log import AuditLog, Timing
    from banktuner_gateway.audit.record import Decision
    from banktuner_gateway.audit.volume import VolumeSink

    async def main():
        folder, key, chain = sys.argv[1:]
        log = AuditLog(VolumeSink(Path(folder), chain), KeySource(Path(key)), chain, "bank/assistant", Timing(write=60))
        await log.start()
        while True:
            try:
                kept = await log.append(Decision(request_id="r" * 200, outcome="answered", status=200))
                print(kept, flush=True)
            except AuditUnavailableError:
                print("unavailable", flush=True)
                await asyncio.sleep(60)
    asyncio.run(main())
""")


def run_writer(folder: Path, key: Path, chain: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), str(key), chain]
    environment = {**os.environ, "PYTHONPATH": "operator"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_at_any_time_what_was_kept_is_there(folder: Path, tmp_path: Path) -> None:
    key = key_file(tmp_path)
    for number in range(3):
        writer = run_writer(folder, key, f"pod-{number}")
        kept = [int(writer.stdout.readline()) for _ in range(20 + 7 * number)][-1]
        writer.send_signal(signal.SIGKILL)
        kept = max([kept, *(int(line) for line in writer.communicate()[0].split())])
        result = check(*folder.glob(f"pod-{number}.*"))
        assert result.problems == []
        assert result.chains[f"pod-{number}"].next.sequence > kept


async def test_a_line_torn_by_a_crash_is_told_by_the_next_process(small_disk: SmallDisk, tmp_path: Path) -> None:
    """The disk fills within a line and the process is killed: a real torn line."""
    key = key_file(tmp_path)
    writer = run_writer(small_disk.path, key, "pod-a")
    kept = [line for line in iter(writer.stdout.readline, "unavailable\n")]
    writer.kill()
    writer.communicate()
    (torn,) = small_disk.path.glob("pod-a.*")
    content = torn.read_bytes()
    assert not content.endswith(b"\n")
    problem = check(torn).problems[0]
    assert (problem.sequence, problem.what) == (int(kept[-1]) + 1, "the line is torn: it does not end")

    small_disk.remount("size=1m")
    async with open_log(VolumeSink(small_disk.path, "pod-b"), KeySource(key), "pod-b") as log:
        await until(lambda: "witness" in events(*small_disk.path.glob("pod-b.*")))
        await log.append(decision(1))
    result = check(*small_disk.path.iterdir())
    assert result.problems == []
    assert "torn by a crash" in result.notes[0]
    assert torn.read_bytes() == content, "nothing is repaired: the line stays as the crash left it"

    torn.write_bytes(content[:-1])
    assert check(*small_disk.path.iterdir()).problems[0].chain == "pod-a", "other bytes than those that were told"
    torn.write_bytes(b"".join(content.splitlines(keepends=True)[:-3]))
    problem = check(*small_disk.path.iterdir()).problems[0]
    assert problem.what.startswith("truncated: a head names record")


async def test_a_crash_in_a_new_files_first_line_is_told_too(folder: Path, keys: KeySource) -> None:
    lines = make_lines(5)
    write_lines(folder / "pod-a.000000000000.jsonl", lines[:4])
    (folder / "pod-a.000000000004.jsonl").write_bytes(lines[4][:100])
    (folder / "pod-c.000000000000.jsonl").write_bytes(b"\0" * 512)
    async with open_log(VolumeSink(folder, "pod-b"), keys, "pod-b"):
        await until(lambda: "witness" in events(*folder.glob("pod-b.*")))
    result = check(*folder.iterdir(), heads=[head_of(lines[:4])])
    assert result.problems == []
    assert len([note for note in result.notes if "torn" in note]) == 2


async def test_who_shortens_a_chain_must_change_its_witnesses_too(folder: Path, keys: KeySource) -> None:
    lines = make_lines(6)
    path = write_lines(folder / "pod-a.000000000000.jsonl", lines)
    async with open_log(VolumeSink(folder, "pod-b"), keys, "pod-b") as log:
        await until(lambda: len(log.heads()) == 2)
        assert {(head.chain, head.sequence) for head in log.heads()} == {("pod-a", 5), ("pod-b", 1)}
        assert all(head.signed_by(KEY) for head in log.heads())
    assert check(*folder.iterdir()).problems == []
    write_lines(path, lines[:3])
    problem = check(*folder.iterdir()).problems[0]
    assert (problem.chain, problem.sequence) == ("pod-a", 3)
    path.unlink()
    assert check(*folder.iterdir()).notes == ["chain pod-a, seen by another one at 5, is not in these files"]


async def test_a_new_key_is_taken_without_a_restart(folder: Path, tmp_path: Path) -> None:
    path, new = key_file(tmp_path), b"n" * 40
    timing = Timing(write=60, retry=0.05, publish=0.02)
    async with open_log(VolumeSink(folder, "pod-a"), KeySource(path), "pod-a", timing) as log:
        await log.append(decision(1))
        path.write_bytes(b"short")
        await asyncio.sleep(0.1)
        await log.append(decision(2))
        path.write_bytes(new)
        await until(lambda: log.digest("request", "x").split(":")[1] == AuditKey(new).id)
        await log.append(decision(3))
    both = {key.id: key for key in (KEY, AuditKey(new))}
    assert verify(list(folder.iterdir()), [], Options(both)).problems == []
    problem = check(*folder.iterdir()).problems[0]
    assert "is not among the key files" in problem.what


async def test_no_text_is_in_a_record(folder: Path, keys: KeySource) -> None:
    secret = "my card 4111 1111 1111 1111 was stolen"
    async with open_log(VolumeSink(folder, "pod-a"), keys, "pod-a") as log:
        digest = log.digest("request", secret)
        await log.append(decision(1, request_digest=digest))
        assert digest != log.digest("response", secret), "equal texts of two purposes are not to be told"
    (path,) = folder.iterdir()
    # Not four digits: they stand in a hexadecimal digest by chance.
    assert all(part not in path.read_bytes() for part in (b"4111 1111", b"41111111"))
    assert json.loads(path.read_bytes().splitlines()[1])["data"]["request_digest"] == digest
    for field in ("outcome", "error_code", "request_digest"):
        with pytest.raises(ValueError, match=field):
            decision(1, **{field: secret})
