"""The writer: seals entries into the chain, batches them to the sink, and refuses while the sink does not work."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from banktuner_gateway.audit.errors import AuditUnavailableError, KeyFileError, SinkError
from banktuner_gateway.audit.heads import SignedHead, sign_head
from banktuner_gateway.audit.keys import KeySource
from banktuner_gateway.audit.record import (
    GENESIS,
    Decision,
    Entry,
    Erasure,
    Head,
    KeyChanged,
    Outage,
    Position,
    Started,
    Stopped,
    Witness,
    Witnessed,
    hash_line,
    seal,
)
from banktuner_gateway.audit.sinks import Sink

logger = logging.getLogger("banktuner.gateway.audit")

MAX_BATCH = 128
"""Records of one write: sealing them takes about 3 ms."""
MAX_WAITING = 4096
"""Entries that wait for the sink; more are refused."""
_WITNESSED_A_RECORD = 8


@dataclass(frozen=True)
class Timing:
    """In seconds: what a write may take, the pause before it is tried again, and how often heads are published."""

    write: float = 5.0
    retry: float = 1.0
    publish: float = 60.0


@dataclass
class _Waiting:
    entry: Entry
    kept: asyncio.Future[int] | None
    """None: nobody waits for it, and no outage may drop it."""

    def refuse(self) -> bool:
        """Tell who waits that it is not recorded; False where nobody does."""
        if self.kept is None or self.kept.done():
            return False
        self.kept.set_exception(AuditUnavailableError())
        return True


@dataclass
class State:
    """What the metrics tell. `failing_since` is a monotonic time, None while all is well."""

    head: Head | None = None
    failing_since: float | None = None
    refused: int = 0
    """Requests that were refused, ever."""
    published: float = 0.0
    """Unix time of the last head that was published."""
    write_seconds: list[float] = field(default_factory=lambda: [0.0, 0.0])
    """Writes that succeeded, and the time that they took."""


class AuditLog:
    """One process's chain. `append` returns when the record is kept; nobody may act on a decision before."""

    def __init__(self, sink: Sink, keys: KeySource, chain: str, gateway: str, timing: Timing | None = None) -> None:
        """`chain` is new with every process (see `new_chain`), `gateway` the BankingModel as namespace/name."""
        self.chain = chain
        self.state = State()
        self._sink = sink
        self._keys = keys
        self._key = self._next_key = keys.first
        self._gateway = gateway
        self._timing = timing or Timing()
        self._next = Position(0, GENESIS)
        self._queue: list[_Waiting] = []
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._outage_refused = 0
        self._others: dict[str, Witnessed] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._ending = asyncio.Event()
        self._open = False

    @property
    def healthy(self) -> bool:
        """Whether the chain has begun and the sink took the last write."""
        return self.state.head is not None and self.state.failing_since is None

    def digest(self, purpose: str, text: str) -> str:
        """Keyed digest of a text. `purpose`: `request`, `earlier` or `response`, for the digest of that name."""
        return self._key.text_digest(purpose, text)

    async def append(self, entry: Decision | Erasure) -> int:
        """Record it; gives its sequence number. Raises AuditUnavailableError: then nothing may be served."""
        if not self._open:
            raise AuditUnavailableError
        return await self._append(entry)

    async def start(self) -> None:
        """Begin the chain. A sink that does not work yet is tried until it does; until then `append` refuses."""
        self._tasks = [asyncio.create_task(self._write_batches())]
        with suppress(AuditUnavailableError):
            await self._append(Started(gateway=self._gateway))
        self._open = True
        self._tasks.append(asyncio.create_task(self._attend()))

    async def stop(self) -> None:
        """End the chain with its last record, publish its head, and close the sink."""
        self._open = False
        await self._end_rounds()
        with suppress(AuditUnavailableError):
            await self._append(Stopped())
        await self._publish()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._sink.close(), self._timing.write)

    def heads(self) -> list[SignedHead]:
        """The signed heads of this chain and of those that it has seen, to be kept elsewhere."""
        seen = [Head(chain=o.chain, sequence=o.sequence, hash=o.hash) for o in self._others.values() if o.sequence >= 0]
        own = [self.state.head] if self.state.head else []
        return [sign_head(head, _now(), self._key) for head in own + seen]

    async def _append(self, entry: Entry) -> int:
        if self.state.failing_since is not None or len(self._queue) >= MAX_WAITING:
            self._count_refused(1)
            raise AuditUnavailableError
        kept = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(entry, kept))
        self._wake.set()
        if len(self._queue) >= MAX_BATCH:
            self._full.set()
        number: int = await kept
        return number

    def _count_refused(self, count: int) -> None:
        self.state.refused += count
        self._outage_refused += count

    async def _write_batches(self) -> None:
        began = -self._sink.interval
        while True:
            await self._wake.wait()
            pause = began + self._sink.interval - time.monotonic()
            if pause > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._full.wait(), pause)
            began = time.monotonic()
            await self._write(self._take())

    def _take(self) -> list[_Waiting]:
        batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
        if len(self._queue) < MAX_BATCH:
            self._full.clear()
        if not self._queue:
            self._wake.clear()
        return batch

    def _seal(self, batch: Sequence[_Waiting]) -> list[bytes]:
        lines = []
        for waiting in batch:
            line = seal(waiting.entry, self.chain, self._next, _now(), self._key)
            lines.append(line)
            self._next = Position(self._next.sequence + 1, hash_line(line))
            if isinstance(waiting.entry, KeyChanged):
                self._key = self._next_key
        return lines

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        first = self._next.sequence
        content = b"".join(line + b"\n" for line in self._seal(batch))
        began = time.monotonic()
        writing = asyncio.ensure_future(self._sink.write(first, content))
        await asyncio.wait({writing}, timeout=self._timing.write)
        if not writing.done() or writing.exception() is not None:
            self._fail(batch)
            await self._insist(first, content, writing)
            self._recover(first, began)
        self.state.head = Head(chain=self.chain, sequence=self._next.sequence - 1, hash=self._next.previous)
        self.state.write_seconds[0] += 1
        self.state.write_seconds[1] += time.monotonic() - began
        for number, waiting in enumerate(batch, first):
            if waiting.kept is not None and not waiting.kept.done():
                waiting.kept.set_result(number)

    async def _insist(self, first: int, content: bytes, writing: asyncio.Future[None]) -> None:
        """A sealed record is in the chain for good: until the sink has it, nothing else is written."""
        told = ""
        while True:
            try:
                return await writing
            except Exception as error:
                # Of other errors only the kind: a writer that ended by one would leave every answer waiting.
                why = str(error) if isinstance(error, SinkError) else type(error).__name__
                if why != told:
                    logger.error("audit sink failed", extra={"fields": {"why": why, "sequence": first}})
                told = why
            await asyncio.sleep(self._timing.retry)
            writing = asyncio.ensure_future(self._sink.write(first, content))

    def _fail(self, batch: Sequence[_Waiting]) -> None:
        self.state.failing_since = time.monotonic()
        refused = [waiting.refuse() for waiting in batch]
        self.state.refused += sum(refused)
        self._outage_refused = 0
        self._count_refused(sum([waiting.refuse() for waiting in self._queue]))
        self._queue = [waiting for waiting in self._queue if waiting.kept is None]
        logger.error("audit unavailable, nothing is served", extra={"fields": {"records": len(batch)}})

    def _recover(self, first: int, began: float) -> None:
        outage = Outage(
            seconds=round(time.monotonic() - began, 3),
            first=first,
            last=self._next.sequence - 1,
            refused=self._outage_refused,
        )
        self.state.failing_since = None
        self._queue.insert(0, _Waiting(outage, None))
        self._wake.set()
        logger.warning("audit works again", extra={"fields": outage.model_dump()})

    async def _end_rounds(self) -> None:
        """One under way may publish an older head, which must not arrive after the last one."""
        self._ending.set()
        if rounds := self._tasks[1:]:
            _, late = await asyncio.wait(rounds, timeout=self._timing.write)
            for task in late:
                task.cancel()

    async def _attend(self) -> None:
        while not self._ending.is_set():
            with suppress(AuditUnavailableError):
                await self._change_key()
                await self._witness()
            await self._publish()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self._timing.publish)

    async def _change_key(self) -> None:
        try:
            now = self._keys.read()
        except KeyFileError as error:
            logger.error("audit key not changed", extra={"fields": {"why": str(error)}})
            return
        if now.id != self._key.id:
            self._next_key = now
            await self._append(KeyChanged(next_key=now.id))

    async def _witness(self) -> None:
        try:
            found = await self._sink.survey()
        except SinkError as error:
            logger.warning("other chains not seen", extra={"fields": {"why": str(error)}})
            return
        fresh = [other for other in found if self._is_news(other)]
        for start in range(0, len(fresh), _WITNESSED_A_RECORD):
            await self._append(Witness(heads=fresh[start : start + _WITNESSED_A_RECORD]))
            self._others.update({other.chain: other for other in fresh[start : start + _WITNESSED_A_RECORD]})
        self._others = {other.chain: self._others[other.chain] for other in found}

    def _is_news(self, other: Witnessed) -> bool:
        known = self._others.get(other.chain)
        if known is not None and known.sequence > other.sequence:
            fields = {"chain": other.chain, "was": known.sequence, "is": other.sequence}
            logger.error("an audit chain became shorter", extra={"fields": fields})
            return False
        return known != other

    async def _publish(self) -> None:
        """To the log always, and to the sink's own place for it. What fails is tried again at the next time."""
        if self.state.head is None:
            return
        head = sign_head(self.state.head, _now(), self._key)
        logger.info("audit head", extra={"fields": {"audit_head": head.model_dump()}})
        try:
            await self._sink.publish(head)
            self.state.published = time.time()
        except SinkError as error:
            logger.warning("audit head not published", extra={"fields": {"why": str(error)}})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
