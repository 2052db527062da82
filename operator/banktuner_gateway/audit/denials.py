"""Denials that cost a client nothing: all are on record, but a flood cannot fill the sink that answers wait for."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.audit.record import Decision

WINDOW_SECONDS = 1.0


@dataclass
class _Window:
    denial: Decision
    more: int
    closing: asyncio.TimerHandle


class Denials:
    """The first of a kind (status, code, path, caller) gets a record at once; those of the next second share one."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._windows: dict[tuple[object, ...], _Window] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def record(self, denial: Decision) -> None:
        """Record it, or count it. Raises AuditUnavailableError where the first of a kind cannot be recorded."""
        kind = (denial.status, denial.error_code, denial.route, denial.caller)
        window = self._windows.get(kind)
        if window is not None:
            window.more += 1
            return
        closing = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._close, kind)
        self._windows[kind] = _Window(denial, 0, closing)
        await self._log.append(denial)

    def _close(self, kind: tuple[object, ...]) -> None:
        window = self._windows.pop(kind)
        window.closing.cancel()
        if window.more:
            task = asyncio.create_task(self._write(window.denial.model_copy(update={"repeated": window.more})))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, counted: Decision) -> None:
        with suppress(AuditUnavailableError):  # the log's own count of what it refused has it
            await self._log.append(counted)

    async def stop(self) -> None:
        """Record what is counted so far; to be called before the log's own stop."""
        for kind in list(self._windows):
            self._close(kind)
        await asyncio.gather(*self._tasks)
