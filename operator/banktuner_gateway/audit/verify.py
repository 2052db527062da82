"""Walks through records and heads and finds what is wrong. Reads files as streams; knows nothing of the gateway."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from banktuner_gateway.audit.heads import SignedHead
from banktuner_gateway.audit.keys import EPHEMERAL, AuditKey
from banktuner_gateway.audit.reading import Line, order_files, read_lines
from banktuner_gateway.audit.record import (
    GENESIS,
    Head,
    Position,
    Record,
    Torn,
    Witness,
    hash_line,
    read_record,
    split_mac,
)

_CHAIN = re.compile(rb'"chain":"([a-z0-9.-]{1,253})"')
_SEQUENCE = re.compile(rb'"sequence":(\d{1,15})')


@dataclass(frozen=True)
class Options:
    """How to read. `keys` by id, None: only what needs no key is checked. `log`: files are containers' logs, in which
    other lines lie between the records. `partial`: a chain may begin after its first record."""

    keys: Mapping[str, AuditKey] | None
    log: bool = False
    partial: bool = False


@dataclass(frozen=True)
class Problem:
    """What is wrong, and where: `place` is file:line, or the name of what was compared."""

    place: str
    chain: str
    sequence: int | None
    what: str


@dataclass
class Chain:
    """A chain as far as it is read. `hashes`: of the records that some head names."""

    name: str
    next: Position | None = None
    first: int | None = None
    last_place: str = ""
    stopped: bool = False
    broken: bool = False
    last_time: str = ""
    gateway: str = ""
    hashes: dict[int, str] = field(default_factory=dict)


@dataclass
class Result:
    """What was found. `problems` in the order of the reading: the first is the first bad record."""

    chains: dict[str, Chain] = field(default_factory=dict)
    records: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def verify(paths: Sequence[Path], heads: Sequence[Head], options: Options) -> Result:
    """Check every record of these files, and that the chains go as far as these heads say. Raises OSError."""
    return _Verifier(options).run(order_files(paths, options.log), heads)


def trusted_heads(heads: Iterable[SignedHead], options: Options) -> tuple[list[Head], list[Problem]]:
    """The heads whose signature is right, and a problem for each of the others."""
    good, bad = [], []
    for head in heads:
        why = _head_trouble(head, options)
        if why:
            bad.append(Problem("published head", head.chain, head.sequence, why))
        else:
            good.append(head.head())
    return good, bad


def _head_trouble(head: SignedHead, options: Options) -> str:
    if options.keys is None:
        return ""
    key = options.keys.get(head.key)
    if key is None:
        return _unknown_key(head.key)
    return "" if head.signed_by(key) else "its signature is wrong: the head was altered"


def _unknown_key(key: str) -> str:
    if key.startswith(EPHEMERAL):
        return "it was made without a key file; verify with --no-key"
    return f"its key {key} is not among the key files"


class _Verifier:
    def __init__(self, options: Options) -> None:
        self._options = options
        self._result = Result()
        self._wanted: dict[str, dict[int, Head]] = {}
        """By chain and sequence number: heads to compare with, of --head and of other chains' witness records."""
        self._torn: dict[str, set[Torn]] = {}

    def run(self, paths: Sequence[Path], heads: Sequence[Head]) -> Result:
        for head in heads:
            self._want(head, "published head")
        for path in paths:
            self._collect_witnesses(path)
        for path in paths:
            self._read(path)
        named = {head.chain for head in heads}
        for chain, wanted in self._wanted.items():
            self._compare(chain, wanted, chain in named)
        return self._result

    def _want(self, head: Head, source: str) -> None:
        wanted = self._wanted.setdefault(head.chain, {})
        known = wanted.setdefault(head.sequence, head)
        if known.hash != head.hash:
            self._report(source, head.chain, head.sequence, "two heads of this chain contradict each other")

    def _collect_witnesses(self, path: Path) -> None:
        for line in read_lines(path, self._options.log):
            if b'"event":"witness"' not in line.content:
                continue
            record = read_record(line.content)
            if record is None or self._trouble(line, record):
                continue
            for other in _witness(record).heads:
                if other.torn:
                    self._torn.setdefault(other.chain, set()).add(other.torn)
                if other.sequence >= 0:
                    self._want(Head(chain=other.chain, sequence=other.sequence, hash=other.hash), line.place)

    def _report(self, place: str, chain: str, sequence: int | None, what: str) -> None:
        self._result.problems.append(Problem(place, chain, sequence, what))

    def _read(self, path: Path) -> None:
        owner = ""
        """Chain of the file's last record: a line that cannot be read is taken for one of it."""
        for line in read_lines(path, self._options.log):
            record = read_record(line.content)
            trouble = self._trouble(line, record)
            name = record.chain if record and not trouble else _claimed(_CHAIN, line.content) or owner
            if owner and name != owner and not self._options.log:
                trouble = trouble or f"it is a record of another chain ({name}), inserted"
                name = owner
            owner = owner or name
            if name in self._result.chains and self._result.chains[name].broken:
                continue
            if trouble and self._is_declared(line, name):
                self._result.notes.append(f"{line.place}: torn by a crash, as another chain's record says; not served")
                break
            self._result.records += 1
            self._step(self._result.chains.setdefault(name, Chain(name)), line, record, trouble)

    def _trouble(self, line: Line, record: Record | None) -> str:
        if not line.whole and record is None:
            return "the line is torn: it does not end"
        if record is None:
            return "it is no record: altered, or inserted"
        parts = split_mac(line.content)
        if self._options.keys is None or parts is None:
            return ""
        key = self._options.keys.get(record.key)
        if key is None:
            return _unknown_key(record.key)
        return "" if key.record_mac(parts[0]) == parts[1] else "it was altered: its HMAC does not match"

    def _is_declared(self, line: Line, chain: str) -> bool:
        # Of a file in which not even the chain's name can be read, the bytes alone are compared.
        torn = self._torn.get(chain, set()) if chain else {entry for some in self._torn.values() for entry in some}
        if not torn or self._options.log:
            return False
        with line.path.open("rb") as file:
            file.seek(line.offset)
            left = file.read(max(entry.bytes for entry in torn) + 1)
        return Torn(bytes=max(1, len(left)), sha256=sha256(left).hexdigest()) in torn

    def _step(self, chain: Chain, line: Line, record: Record | None, trouble: str) -> None:
        expected = chain.next
        if expected is None:
            expected = Position(0, GENESIS)
            if record and not trouble and self._options.partial:
                expected = Position(record.sequence, record.previous)
        if record is None or trouble or (trouble := _misplaced(record, expected)):
            chain.broken = True
            sequence = record.sequence if record else _number(_claimed(_SEQUENCE, line.content))
            self._report(line.place, chain.name, expected.sequence if sequence is None else sequence, trouble)
            return
        self._advance(chain, line, record)

    def _advance(self, chain: Chain, line: Line, record: Record) -> None:
        hashed = hash_line(line.content)
        chain.first = record.sequence if chain.first is None else chain.first
        chain.next = Position(record.sequence + 1, hashed)
        chain.last_place, chain.last_time = line.place, record.time
        chain.stopped = record.event == "stopped"
        chain.gateway = str(record.data.get("gateway", chain.gateway)) if record.event == "started" else chain.gateway
        if record.sequence in self._wanted.get(chain.name, {}):
            chain.hashes[record.sequence] = hashed

    def _compare(self, name: str, wanted: Mapping[int, Head], must_be_there: bool) -> None:
        chain = self._result.chains.get(name)
        if chain is None or chain.next is None:
            furthest = max(wanted)
            if must_be_there:
                self._report("published head", name, furthest, "the whole chain is missing")
            else:
                self._result.notes.append(f"chain {name}, seen by another one at {furthest}, is not in these files")
            return
        if chain.broken:
            return
        for sequence in sorted(wanted):
            if self._differs(chain, chain.next, wanted[sequence]):
                return

    def _differs(self, chain: Chain, after: Position, head: Head) -> bool:
        if head.sequence >= after.sequence:
            what = f"truncated: a head names record {head.sequence}, the last one here is {after.sequence - 1}"
            self._report(chain.last_place, chain.name, after.sequence, what)
            return True
        found = chain.hashes.get(head.sequence)
        if found is not None and found != head.hash:
            self._report(chain.last_place, chain.name, head.sequence, "it is not the record that a head names")
            return True
        return False


def _misplaced(record: Record, expected: Position) -> str:
    if record.sequence > expected.sequence:
        return f"records {expected.sequence} to {record.sequence - 1} before it are missing"
    if record.sequence < expected.sequence:
        return f"it is here again or out of order: record {expected.sequence} was to follow"
    return "" if record.previous == expected.previous else "it does not follow the record before it"


def _witness(record: Record) -> Witness:
    try:
        return Witness.model_validate(record.data)
    except ValidationError:
        return Witness.model_construct(heads=[])


def _claimed(pattern: re.Pattern[bytes], content: bytes) -> str:
    found = pattern.search(content)
    return found.group(1).decode("ascii") if found else ""


def _number(text: str) -> int | None:
    return int(text) if text else None
