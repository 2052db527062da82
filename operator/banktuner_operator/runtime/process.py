"""Puts the parts together and ends them together: one failing part ends the process, and the kubelet starts it anew."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

from banktuner_operator.agentapi import server
from banktuner_operator.agentapi.hub import Hub
from banktuner_operator.cluster.client import ApiError, Client
from banktuner_operator.cluster.election import Election, LeadershipLostError
from banktuner_operator.cluster.queue import WorkQueue
from banktuner_operator.cluster.reconcile import Key, Reconciler
from banktuner_operator.runtime import probes, watches
from banktuner_operator.runtime.environment import Environment
from banktuner_operator.runtime.job_metrics import JobMetrics

log = logging.getLogger(__name__)


def now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


class Process:
    """One replica."""

    def __init__(self, environment: Environment, client: Client) -> None:
        """Nothing starts before `run`."""
        self._environment = environment
        self._client = client
        settings = environment.settings
        self._reconciler = Reconciler(client, settings, now)
        self._queue = WorkQueue(self._work, settings.workers, settings.resync_seconds)
        self._election = Election(client, settings.namespace, environment.lease, environment.identity, now)
        self._hub = Hub()
        self._stop = asyncio.Event()
        self._leading = False
        self._agent_up = False
        self._job_metrics = JobMetrics()
        self._health = probes.Health(
            ready=lambda: self._agent_up,
            leading=lambda: self._leading,
            failing_keys=lambda: self._queue.failing,
            job_metrics=self._job_metrics.lines,
        )

    async def run(self) -> bool:
        """Run until a signal or the end of a part; False if that was a failure."""
        environment = self._environment
        probe = await probes.serve(self._health, environment.probe_port)
        agent = await server.start(self._client, environment, self._hub, now)
        self._agent_up = True
        wakeups = watches.Wakeups(self._wake, self._queue.forget, self._job_metrics.seen)
        watching = asyncio.create_task(watches.watch(wakeups, environment.settings.watch_namespaces, self._stop))
        leading = asyncio.create_task(self._lead())
        try:
            await asyncio.wait({watching, leading}, return_when=asyncio.FIRST_COMPLETED)
            return _ended_well(watching)  # leading never ends well, and kopf cancels it when it ends
        finally:
            self._stop.set()
            leading.cancel()
            await asyncio.gather(watching, leading, return_exceptions=True)
            # Here and not in the task that leads: kopf cancels tasks that it finds running when it ends.
            with contextlib.suppress(ApiError):
                await self._election.release()
            await agent.cleanup()
            await probe.cleanup()

    async def _work(self, key: Key) -> float | None:
        self._health.reconciliations += 1
        delay = await self._reconciler.reconcile(key)
        self._hub.notify(key.namespace, key.name)
        return delay

    def _wake(self, key: Key) -> None:
        self._queue.add(key)
        self._hub.notify(key.namespace, key.name)

    async def _lead(self) -> None:
        await self._election.acquire()
        self._leading = True
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._queue.run())
                group.create_task(self._election.hold())
        except* LeadershipLostError:
            log.error("lost the lease %s: another replica leads", self._election.name)
        finally:
            self._leading = False


def _ended_well(task: asyncio.Task[None]) -> bool:
    if not task.done():
        return False
    if task.cancelled() or task.exception() is None:
        return True
    log.error("watching ended: %s", task.exception())
    return False
