"""Records of what was refused before the pipeline: strangers, limits, requests that cannot be read."""

import asyncio
import logging
from collections import Counter

from banktuner_gateway.audit import record as audit
from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.errors import ApiError
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.pipeline.trace import Outcome, Trace

logger = logging.getLogger("banktuner.gateway.audit")

TOGETHER_SECONDS = 1.0
"""Denials of strangers within this time are one record, so that they cannot fill the audit trail."""


class Denials:
    """One for the process."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._strangers: Counter[tuple[str, int, str]] = Counter()
        self._newest = ""
        self._writing: asyncio.Task[None] | None = None

    async def keep(self, record: RequestRecord, problem: ApiError) -> None:
        """Nothing is served, so a record that cannot be kept changes nothing for the caller; the metrics tell of it."""
        if record.audited or problem.code == "audit_unavailable":
            return
        record.audited = True
        if record.caller is None:
            self._count(record, problem)
            return
        outcome: Outcome = "denied" if problem.status < 500 else "failed"
        try:
            await Trace(self._log, record).keep(outcome, problem.status, "decision", problem.code)
        except ApiError:
            logger.warning("a denial was not recorded", extra={"fields": {"request_id": record.request_id}})

    async def close(self) -> None:
        """Write what is still counted."""
        if self._writing is not None:
            self._writing.cancel()
        await self._write()

    def _count(self, record: RequestRecord, problem: ApiError) -> None:
        self._strangers[record.route, problem.status, problem.code] += 1
        self._newest = record.request_id
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_soon())

    async def _write_soon(self) -> None:
        await asyncio.sleep(TOGETHER_SECONDS)
        await self._write()

    async def _write(self) -> None:
        counted, self._strangers = self._strangers, Counter()
        for (route, status, code), count in counted.items():
            decision = audit.Decision(
                request_id=self._newest, outcome="denied", status=status, route=route, error_code=code, repeated=count
            )
            try:
                await self._log.append(decision)
            except AuditUnavailableError:
                logger.warning("denials were not recorded", extra={"fields": {"count": count}})
