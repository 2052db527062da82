"""Chains to verify, and logs that are quick to give up and to try again."""

from contextlib import asynccontextmanager
from pathlib import Path

from banktuner_gateway.audit.keys import AuditKey, KeySource
from banktuner_gateway.audit.log import AuditLog, Timing
from banktuner_gateway.audit.record import (
    GENESIS,
    Decision,
    Entry,
    Head,
    Position,
    Started,
    Stopped,
    Verdict,
    hash_line,
    seal,
)
from banktuner_gateway.audit.sinks import Sink
from banktuner_gateway.audit.verify import Options, Result, verify

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = AuditKey(SECRET)
TIME = "2026-03-01T10:00:00.000000Z"
QUICK = Timing(write=60, retry=0.05, publish=30)
"""Gives up no write, so that a busy machine is no outage; those that fail are tried again soon."""


def decision(number: int, **changes) -> Decision:
    members = {
        "request_id": f"request-{number}",
        "outcome": "answered",
        "status": 200,
        "caller": "teller",
        "conversation": f"conversation-{number % 3}",
        "adapter": "card-support",
        "adapter_digest": f"sha256:{'a' * 64}",
        "request_digest": KEY.text_digest("request", f"question {number}"),
        "response_digest": KEY.text_digest("response", f"answer {number}"),
        "verdicts": [Verdict(guard="scope", stage="input", outcome="pass", score=0.03, threshold=0.5)],
        "latency_ms": 12.5,
    }
    return Decision.model_validate({**members, **changes})


def make_lines(
    count: int, chain: str = "pod-a", key: AuditKey = KEY, *, time: str = TIME, ended: bool = False
) -> list[bytes]:
    """A chain of `count` records, the first of which is `started`."""
    entries: list[Entry] = [Started(gateway="bank/assistant"), *(decision(number) for number in range(1, count))]
    if ended:
        entries[-1] = Stopped()
    lines, at = [], Position(0, GENESIS)
    for entry in entries:
        lines.append(seal(entry, chain, at, time, key))
        at = Position(at.sequence + 1, hash_line(lines[-1]))
    return lines


def write_lines(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def head_of(lines: list[bytes], chain: str = "pod-a") -> Head:
    return Head(chain=chain, sequence=len(lines) - 1, hash=hash_line(lines[-1]))


def check(*paths: Path, heads: list[Head] | None = None, key: AuditKey | None = KEY, **options) -> Result:
    keys = {key.id: key} if key else None
    return verify(list(paths), heads or [], Options(keys, **options))


def key_file(folder: Path, secret: bytes = SECRET) -> Path:
    path = folder / "key"
    path.write_bytes(secret + b"\n")
    return path


@asynccontextmanager
async def open_log(sink: Sink, keys: KeySource, chain: str, timing: Timing = QUICK):
    log = AuditLog(sink, keys, chain, "bank/assistant", timing)
    await log.start()
    try:
        yield log
    finally:
        await log.stop()
