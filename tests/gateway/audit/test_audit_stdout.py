"""Records in a container's log: a real process's standard output, read by real commands."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.heads import find_heads
from banktuner_gateway.audit.keys import KeySource
from banktuner_gateway.audit.log import Timing
from banktuner_gateway.audit.record import GENESIS, Position, Verdict, seal
from banktuner_gateway.audit.sinks import StdoutSink
from tests.gateway.audit.support import KEY, TIME, check, decision, key_file, make_lines, open_log, write_lines

GATEWAY = textwrap.dedent("""
    import asyncio, logging, sys, threading
    from pathlib import Path
    from banktuner_api.gateway import Audit
    from banktuner_gateway.audit.build import Place, open_audit
    from banktuner_gateway.audit.record import Decision
    from banktuner_gateway.observability import configure_logging

    async def main():
        configure_logging()
        key = Path(sys.argv[1]) if sys.argv[1] else None
        place = Place("bank/assistant", "Assistant_gateway-1", key, Path("/nowhere"), {})
        log = open_audit(Audit(sink="Stdout"), place)
        await log.start()
        other = logging.getLogger("other")
        threading.Thread(target=lambda: [other.info("x" * 6000) for _ in range(int(sys.argv[2]))]).start()
        for number in range(int(sys.argv[2])):
            await log.append(Decision(request_id=f"r{number}", outcome="answered", status=200))
        await log.stop()
    asyncio.run(main())
""")


def start_gateway(key: Path | str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", GATEWAY, str(key), str(count)]
    environment = {**os.environ, "PYTHONPATH": "operator"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)


def banktuner_audit(*arguments: str | Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "banktuner_gateway.audit", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": "operator"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, input=text)


def test_records_and_heads_lie_in_the_log_between_other_lines(tmp_path: Path) -> None:
    key, log = key_file(tmp_path), tmp_path / "container.log"
    output, errors = start_gateway(key, 300).communicate()
    assert errors == b""
    log.write_bytes(output)
    assert all(json.loads(line) for line in output.splitlines()), "no line fell into another"
    result = check(log, log=True, heads=[head.head() for head in find_heads(output.decode())[0]])
    assert result.problems == []
    assert result.records == 302

    run = banktuner_audit("verify", log, "--log", "--key-file", key, "--head", log)
    assert (run.returncode, run.stderr) == (0, "")
    assert "all good: 302 records, 1 chains" in run.stdout
    assert "(bank/assistant): records 0 to 301" in run.stdout

    lines = output.splitlines(keepends=True)
    last = max(number for number, line in enumerate(lines) if line.startswith(b'{"banktuner_audit"'))
    heads = tmp_path / "heads.log"
    heads.write_bytes(output)
    log.write_bytes(b"".join(lines[:last]))
    run = banktuner_audit("verify", log, "--log", "--key-file", key, "--head", heads)
    assert run.returncode == 1
    assert run.stdout.startswith("FIRST BAD RECORD: ")
    assert "record 301: truncated: a head names record 301, the last one here is 300" in run.stdout


def read_all(descriptor: int) -> bytes:
    """What is in a pipe now."""
    os.set_blocking(descriptor, False)
    content = b""
    with suppress(BlockingIOError):
        while some := os.read(descriptor, 65536):
            content += some
    return content


async def test_a_pipe_that_nobody_reads_refuses_until_it_is_read(tmp_path: Path, descriptors: list[int]) -> None:
    """The write does not return. Read again, everything is there, once."""
    reading, writing = os.pipe()
    descriptors += [reading, writing]
    timing = Timing(write=3, retry=0.05, publish=30)
    async with open_log(StdoutSink(writing), KeySource(key_file(tmp_path)), "pod-a", timing) as log:
        with pytest.raises(AuditUnavailableError):
            while await log.append(decision(1, request_id="r" * 200)) < 1000:
                pass
        with pytest.raises(AuditUnavailableError):
            await log.append(decision(2))
        output = b""
        while not log.healthy:
            output += read_all(reading)
            await asyncio.sleep(0.01)
        await log.append(decision(3))
    path = tmp_path / "container.log"
    path.write_bytes(output + read_all(reading))
    result = check(path, log=True, heads=[log.state.head])
    assert result.problems == []
    assert path.read_bytes().count(b'"event":"outage"') == 1


async def test_standard_output_that_is_gone_refuses(tmp_path: Path, descriptors: list[int]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    descriptors.append(writing)
    async with open_log(StdoutSink(writing), KeySource(key_file(tmp_path)), "pod-a") as log:
        with pytest.raises(AuditUnavailableError):
            await log.append(decision(1))


def test_without_a_key_the_chain_is_held_by_hashes_and_heads(tmp_path: Path) -> None:
    log = tmp_path / "container.log"
    output, _ = start_gateway("", 3).communicate()
    log.write_bytes(output)
    run = banktuner_audit("verify", log, "--log", "--no-key", "--head", log)
    assert run.returncode == 0
    assert "without the key" in run.stdout
    run = banktuner_audit("verify", log, "--log", "--key-file", key_file(tmp_path))
    assert run.returncode == 1
    assert "verify with --no-key" in run.stdout


def test_verify_names_file_line_record_and_what_is_wrong(tmp_path: Path) -> None:
    lines = make_lines(6)
    path = write_lines(tmp_path / "a.jsonl", [*lines[:3], lines[3].replace(b"teller", b"nobody"), *lines[4:]])
    run = banktuner_audit("verify", tmp_path, "--key-file", key_file(tmp_path))
    expected = f"FIRST BAD RECORD: {path}:4: chain pod-a, record 3: it was altered: its HMAC does not match"
    assert (run.returncode, run.stdout.splitlines()[0]) == (1, expected)


def test_a_gauge_of_prometheus_is_enough_to_find_what_was_cut(tmp_path: Path) -> None:
    path, key = write_lines(tmp_path / "a.jsonl", make_lines(6)), key_file(tmp_path)
    assert banktuner_audit("verify", path, "--key-file", key, "--at-least", "pod-a=5").returncode == 0
    run = banktuner_audit("verify", path, "--key-file", key, "--at-least", "pod-a=7")
    assert run.returncode == 1
    assert "record 6: truncated: 7 was reached, the last record here is 5" in run.stdout
    assert banktuner_audit("verify", path, "--key-file", key, "--at-least", "pod-b=1").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.jsonl", "--key-file", "key"], "nothing.jsonl"),
        ([".", "--key-file", "key"], "no *.jsonl file"),
        (["empty", "--key-file", "key"], "there is no record in these files"),
        (["key", "--log", "--key-file", "key"], "there is no record in these files"),
        (["key", "--key-file", "short"], "at least 32 are needed"),
        (["key", "--key-file", "absent"], "the Secret must have the key `key`"),
        (["key", "--key-file", "key", "--head", "key"], "there is no head in it"),
        (["key", "--key-file", "key", "--at-least", "pod-a"], "CHAIN=SEQUENCE"),
        (["key"], "one of the arguments --key-file --no-key is required"),
    ],
)
def test_what_cannot_be_verified_is_no_proof_of_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    key_file(tmp_path)
    (tmp_path / "short").write_text("short")
    (tmp_path / "empty").touch()
    command = [sys.executable, "-m", "banktuner_gateway.audit", "verify", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path("operator").resolve())}
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert run.returncode == 2
    assert words in run.stderr


def test_the_digest_of_a_text_can_be_looked_for(tmp_path: Path) -> None:
    run = banktuner_audit("digest", "request", "--key-file", key_file(tmp_path), text="question 4")
    assert run.stdout.strip() == KEY.text_digest("request", "question 4")
    assert run.stdout.strip().encode() in make_lines(6)[4]


def test_show_counts_the_decisions_of_a_day(tmp_path: Path) -> None:
    refusal = Verdict(guard="scope", stage="input", outcome="refuse", reason="out_of_scope")
    entries = [
        decision(1),
        decision(2, event="stream_started", outcome="started"),
        decision(2, event="stream_ended"),
        decision(3, outcome="refused", verdicts=[refusal]),
        decision(4, outcome="denied", status=401, error_code="unauthorized", repeated=7),
    ]
    lines = [seal(entry, "pod-a", Position(0, GENESIS), TIME, KEY) for entry in entries]
    run = banktuner_audit("show", write_lines(tmp_path / "a.jsonl", lines))
    assert run.stdout.splitlines() == [
        "day (UTC)   outcome   why                          requests",
        "2026-03-01  answered                               2",
        "2026-03-01  denied    unauthorized                 7",
        "2026-03-01  refused   scope (input): out_of_scope  1",
    ]


def test_records_of_the_first_form_are_read_as_long_as_they_are_kept(tmp_path: Path) -> None:
    """The file was written before `earlier_digest` was there; it is never to be written anew."""
    old = Path(__file__).with_name("first_form.jsonl")
    verified = banktuner_audit("verify", str(old), "--key-file", key_file(tmp_path))
    assert verified.returncode == 0, verified.stdout
    shown = banktuner_audit("show", str(old)).stdout
    assert "answered" in shown and "leak (output): system_prompt" in shown and "unreadable" not in shown
