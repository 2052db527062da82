"""One reconciliation of one object: gather, decide, carry out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from banktuner_operator.cluster import execute, gather
from banktuner_operator.cluster.client import Client
from banktuner_operator.plan.finetune import plan_fine_tune_job
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import FineTuneSnapshot, ModelSnapshot, Plan
from banktuner_operator.settings import Settings


@dataclass(frozen=True)
class Key:
    """A custom resource, by kind and name."""

    kind: str
    namespace: str
    name: str


def no_step(description: str) -> None:
    """In production nothing happens between two writes."""


@dataclass(frozen=True)
class Reconciler:
    """What every reconciliation needs. `step` is called before each write."""

    client: Client
    settings: Settings
    clock: Callable[[], datetime]
    step: execute.Step = no_step

    async def reconcile(self, key: Key) -> float | None:
        """Bring one object nearer to what it asks for; seconds until it wants another look. Raises ApiError."""
        snapshot = await self._gather(key)
        if snapshot is None:
            return None
        now = self.clock()
        plan = self._plan(snapshot, now)
        ours, held = await execute.conflicts(self.client, snapshot.owner, plan)
        if held:
            # None of the children: a pod must not run with a ConfigMap that somebody else wrote.
            plan = replace(self._plan(replace(snapshot, conflicts=held), now), apply=(), delete=())
            ours = plan
        await execute.children(self.client, replace(plan, apply=ours.apply), self.step)
        await execute.status(self.client, snapshot.owner, plan, self.step)
        await execute.events(self.client, snapshot.owner, plan, now, self.step)
        return plan.requeue_after

    async def _gather(self, key: Key) -> FineTuneSnapshot | ModelSnapshot | None:
        if key.kind == "FineTuneJob":
            return await gather.fine_tune_job(self.client, key.namespace, key.name)
        return await gather.banking_model(self.client, key.namespace, key.name)

    def _plan(self, snapshot: FineTuneSnapshot | ModelSnapshot, now: datetime) -> Plan:
        if isinstance(snapshot, FineTuneSnapshot):
            return plan_fine_tune_job(snapshot, now, self.settings)
        return plan_banking_model(snapshot, now, self.settings)
