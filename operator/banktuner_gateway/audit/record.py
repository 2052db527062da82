"""What a record is: the entries, their form as a line, and how a line is sealed and read.

A line is ASCII JSON without spaces. Its last member is the HMAC of every byte before that member.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from banktuner_api.gateway import LONGEST_NAME
from banktuner_gateway.audit.keys import AuditKey

VERSION = 1
MARKER = b'{"banktuner_audit":'
"""Every record begins with it, and nothing else does: so records are found in a container's log."""
GENESIS = "0" * 64
"""`previous` of a chain's first record."""
_MAC = re.compile(rb',"mac":"([0-9a-f]{64})"\}')
_MAC_BYTES = len(',"mac":""}') + 64

Code = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,64}$")]
"""A word for programs. Sentences do not fit in, so that no text of a customer can."""
Identifier = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00-\x1f\x7f]*$")]
TextDigest = Annotated[str, Field(pattern=r"^hmac-sha256:[a-z0-9-]{1,32}:[0-9a-f]{64}$")]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
ChainId = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
Number = Annotated[float, Field(allow_inf_nan=False)]
Sequence = Annotated[int, Field(ge=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Verdict(_Frozen):
    """What one guard said. `reason` is its code, `score` and `threshold` what it compared, `counts` what it found."""

    guard: Code
    stage: Literal["input", "output"]
    outcome: Literal["pass", "mask", "refuse", "unavailable"]
    reason: Code | None = None
    score: Number | None = None
    threshold: Number | None = None
    counts: Annotated[dict[Code, int], Field(max_length=64)] = {}


LONGEST_PATH = 512


def fitted_path(path: str) -> str:
    """A path as a record takes it. Of one over LONGEST_PATH characters: its beginning, "~", and its SHA-256 in hex."""
    if len(path) <= LONGEST_PATH:
        return path
    digest = hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{path[: LONGEST_PATH - len(digest) - 1]}~{digest}"


class SourceUsed(_Frozen):
    """A passage of the bank's own documents that the model was given. `digest` is the passage's.

    `document`: its path, or what `fitted_path` makes of a longer one.
    """

    document: Annotated[str, Field(min_length=1, max_length=LONGEST_PATH)]
    passage: Annotated[int, Field(ge=0)] | None = None
    digest: Annotated[str, Field(max_length=80)] | None = None


class Decision(_Frozen):
    """What was decided about one request. Digests are `AuditLog.digest` of the texts after masking; times in ms.

    `request_digest`: the question; `earlier_digest`: the messages that the client sent before it;
    `response_digest`: what left, None where nothing did. Verdicts of the stage `output` are on what left, or on what
    was kept from it.
    A stream has two: `stream_started` before its first byte, `stream_ended` when all is known.
    """

    event: Literal["decision", "stream_started", "stream_ended"] = "decision"
    request_id: Identifier
    outcome: Literal["answered", "refused", "denied", "failed", "cancelled", "started"]
    status: Annotated[int, Field(ge=100, le=599)]
    route: Code | None = None
    caller: Identifier | None = None
    """None: nobody whom the gateway knows."""
    conversation: Identifier | None = None
    error_code: Code | None = None
    model: Identifier | None = None
    adapter: Identifier | None = None
    adapter_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    request_digest: TextDigest | None = None
    earlier_digest: TextDigest | None = None
    response_digest: TextDigest | None = None
    verdicts: Annotated[list[Verdict], Field(max_length=32)] = []
    sources: Annotated[list[SourceUsed], Field(max_length=32)] = []
    latency_ms: Annotated[Number, Field(ge=0)] | None = None
    upstream_ms: Annotated[Number, Field(ge=0)] | None = None
    repeated: Annotated[int, Field(ge=1)] = 1
    """Requests that this record stands for: denials of strangers and by the limits are counted together."""


class Erasure(_Frozen):
    """A caller had a conversation's text erased. The records about it stay: they hold none."""

    event: Literal["erasure"] = "erasure"
    request_id: Identifier
    caller: Identifier | None = None
    conversation: Identifier
    """`*`: all of the caller's."""


class Started(_Frozen):
    """First record of a chain."""

    event: Literal["started"] = "started"
    gateway: Identifier
    """namespace/name of the BankingModel."""


class Stopped(_Frozen):
    """Last record of a chain whose process ended in order."""

    event: Literal["stopped"] = "stopped"


class Torn(_Frozen):
    """What a crash left behind the last whole record: that many bytes with that SHA-256."""

    bytes: Annotated[int, Field(ge=1)]
    sha256: Hash


class Head(_Frozen):
    """A chain up to one record: its sequence number and hash."""

    chain: ChainId
    sequence: Sequence
    hash: Hash


class Witnessed(_Frozen):
    """Another process's chain as this one found it. `sequence` is -1 where no whole record was there."""

    chain: ChainId
    sequence: Annotated[int, Field(ge=-1)]
    hash: Hash
    torn: Torn | None = None


class Witness(_Frozen):
    """What this process saw of other chains: whoever shortens one of them has to change this chain too."""

    event: Literal["witness"] = "witness"
    heads: Annotated[list[Witnessed], Field(min_length=1, max_length=8)]


class Outage(_Frozen):
    """The sink failed for a while. Requests of the records `first` to `last` got 503, and so did `refused` others."""

    event: Literal["outage"] = "outage"
    seconds: Annotated[Number, Field(ge=0)]
    first: Sequence
    last: Sequence
    refused: Annotated[int, Field(ge=0)]


class KeyChanged(_Frozen):
    """Last record under its key. The next has the key `next_key`."""

    event: Literal["key_changed"] = "key_changed"
    next_key: Identifier


Entry = Decision | Erasure | Started | Stopped | Witness | Outage | KeyChanged


class Record(BaseModel):
    """A line's members. `data` is the entry's, by `event`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    banktuner_audit: Literal[1]
    chain: ChainId
    sequence: Sequence
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
    key: Identifier
    event: Code
    data: dict[str, Any]
    previous: Hash
    mac: Hash


@dataclass(frozen=True)
class Position:
    """Where a chain stands: the next record's sequence number, and the hash that it must carry as `previous`."""

    sequence: int
    previous: str


def hash_line(line: bytes) -> str:
    """A record's hash: SHA-256 of its line without the line end."""
    return hashlib.sha256(line).hexdigest()


def seal(entry: Entry, chain: str, at: Position, time: str, key: AuditKey) -> bytes:
    """The entry's line, without a line end. `chain` is a ChainId, `time` RFC 3339 in UTC with microseconds."""
    data = entry.model_dump_json(exclude={"event"}, exclude_none=True, exclude_defaults=True, ensure_ascii=True)
    body = (
        f'{{"banktuner_audit":{VERSION},"chain":"{chain}","sequence":{at.sequence},"time":"{time}","key":"{key.id}",'
        f'"event":"{entry.event}","data":{data},"previous":"{at.previous}"'
    ).encode("ascii")
    return body + f',"mac":"{key.record_mac(body)}"}}'.encode("ascii")


def split_mac(line: bytes) -> tuple[bytes, str] | None:
    """What the HMAC covers, and the HMAC; None where the line does not end as a record does."""
    found = _MAC.fullmatch(line, max(0, len(line) - _MAC_BYTES))
    return (line[:-_MAC_BYTES], found.group(1).decode("ascii")) if found else None


def read_record(line: bytes) -> Record | None:
    """The record on a line (without its line end); None where there is none. The HMAC is not looked at."""
    if not line.startswith(MARKER) or split_mac(line) is None:
        return None
    try:
        return Record.model_validate_json(line)
    except ValidationError:
        return None
