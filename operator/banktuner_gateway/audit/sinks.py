"""Where records go: what a sink promises, the thread that blocking ones work in, and standard output."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from banktuner_gateway.audit.errors import SinkError
from banktuner_gateway.audit.heads import SignedHead
from banktuner_gateway.audit.record import Witnessed
from banktuner_gateway.stdout import STDOUT, WRITING

_Value = TypeVar("_Value")


class Sink(Protocol):
    """Keeps lines in order. All methods raise SinkError."""

    interval: float
    """Least time in seconds from the beginning of one write to that of the next."""

    def write(self, first: int, lines: bytes) -> Awaitable[None]:
        """Keep whole lines, the first of which has this sequence number. They are kept when this is done.

        After a SinkError the same lines come again, until they are taken: they must not be kept twice.
        """

    async def survey(self) -> Sequence[Witnessed]:
        """How far other processes' chains go that share the place, as far as they wrote within a week."""

    async def publish(self, head: SignedHead) -> None:
        """Keep a head apart from the records, where the sink has such a place."""

    async def close(self) -> None:
        """Give back what is held."""


class Worker:
    """One thread, so that a file that blocks never stops the gateway."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="audit")

    def run(self, work: Callable[[], _Value]) -> asyncio.Future[_Value]:
        """The work, being done in the thread. Raises SinkError for an OSError."""
        return asyncio.get_running_loop().run_in_executor(self._pool, _told, work)

    def close(self) -> None:
        """Work in progress goes on; no more is taken."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _told(work: Callable[[], _Value]) -> _Value:
    try:
        return work()
    except OSError as error:
        raise SinkError(error.strerror or type(error).__name__) from None


class StdoutSink:
    """Lines in the container's log. They are kept when the container runtime's pipe took them.

    Not by way of the log's queue, which drops what nobody takes.
    """

    interval = 0.0

    def __init__(self, descriptor: int = STDOUT) -> None:
        self._descriptor = descriptor
        self._worker = Worker()
        self._pending: tuple[int, int] = (-1, 0)
        """First sequence number of the lines under way, and how many of their bytes are written."""

    def write(self, first: int, lines: bytes) -> asyncio.Future[None]:
        """See Sink."""
        return self._worker.run(lambda: self._write(first, lines))

    def _write(self, first: int, lines: bytes) -> None:
        written = self._pending[1] if self._pending[0] == first else 0
        with WRITING:
            while written < len(lines):
                # Line by line: a pipe keeps up to 4 KiB of one write together, whatever other process writes.
                end = lines.index(b"\n", written) + 1
                written += os.write(self._descriptor, memoryview(lines)[written:end])
                self._pending = (first, written)

    async def survey(self) -> Sequence[Witnessed]:
        """None: a log cannot be read from here."""
        return ()

    async def publish(self, head: SignedHead) -> None:
        """Nothing: heads are logged for every sink."""

    async def close(self) -> None:
        """See Sink."""
        self._worker.close()
