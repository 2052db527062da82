"""Where records go: what a sink promises, the thread that blocking ones work in, and standard output."""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol, TypeVar

from banktuner_gateway.audit.errors import SinkError
from banktuner_gateway.audit.heads import SignedHead
from banktuner_gateway.audit.record import Witnessed

_Value = TypeVar("_Value")


class Sink(Protocol):
    """Keeps lines in order. All methods raise SinkError."""

    interval: float
    """Least time in seconds from the beginning of one write to that of the next."""

    async def write(self, first: int, lines: bytes) -> None:
        """Keep whole lines, the first of which has this sequence number. They are kept when this returns.

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

    async def run(self, work: Callable[[], _Value]) -> _Value:
        """Do the work in the thread. Raises SinkError for an OSError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except OSError as error:
            raise SinkError(error.strerror or type(error).__name__) from None

    def close(self) -> None:
        """Work in progress goes on; no more is taken."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class StdoutSink:
    """Lines in the container's log. They are kept when the container runtime's pipe took them."""

    interval = 0.0

    def __init__(self, descriptor: int = 1) -> None:
        self._descriptor = descriptor
        self._worker = Worker()
        self._pending: tuple[int, int] = (-1, 0)
        """First sequence number of the lines under way, and how many of their bytes are written."""

    async def write(self, first: int, lines: bytes) -> None:
        """See Sink."""
        await self._worker.run(lambda: self._write(first, lines))

    def _write(self, first: int, lines: bytes) -> None:
        written = self._pending[1] if self._pending[0] == first else 0
        with self._alone():
            while written < len(lines):
                # Line by line: a pipe keeps up to 4 KiB of one write together, whoever else writes.
                end = lines.index(b"\n", written) + 1
                written += os.write(self._descriptor, memoryview(lines)[written:end])
                self._pending = (first, written)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep this process's log lines and records out of each other, also where they are longer than that."""
        with ExitStack() as held:
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.StreamHandler) and _descriptor(handler.stream) == self._descriptor:
                    handler.acquire()
                    held.callback(handler.release)
            yield

    async def survey(self) -> Sequence[Witnessed]:
        """None: a log cannot be read from here."""
        return ()

    async def publish(self, head: SignedHead) -> None:
        """Nothing: heads are logged for every sink."""

    async def close(self) -> None:
        """See Sink."""
        self._worker.close()


def _descriptor(stream: object) -> int | None:
    with suppress(AttributeError, OSError, ValueError):
        number: int = stream.fileno()  # type: ignore[attr-defined]
        return number
    return None
