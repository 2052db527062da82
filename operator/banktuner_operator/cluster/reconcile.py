"""One reconciliation of one object: gather, decide, carry out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from http import HTTPStatus

from banktuner_operator.cluster import execute, gather
from banktuner_operator.cluster.client import ApiError, Client
from banktuner_operator.plan.conditions import false
from banktuner_operator.plan.finetune import plan_fine_tune_job
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import Check, FineTuneSnapshot, ModelSnapshot, Plan
from banktuner_operator.settings import Settings


@dataclass(frozen=True)
class Key:
    """A custom resource, by kind and name."""

    kind: str
    namespace: str
    name: str


CONFLICT_SECONDS = 15.0
"""Nothing wakes us when somebody deletes an object that is not ours."""
NAMESPACE_ENDS = "because it is being terminated"
REFUSALS = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.UNPROCESSABLE_ENTITY})


def name_conflict(held: tuple[str, ...]) -> Check:
    """Somebody else holds names that we need."""
    return false("NameConflict", f"{', '.join(held)} exists and belongs to somebody else; delete or rename it")


def refused(error: ApiError) -> Check:
    """The API server does not take a child: a quota, a policy, a missing class."""
    return false("ChildRefused", f"the API server refuses what this object needs: {error.message}")


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
            await self._tell(snapshot, now, name_conflict(held))
            return CONFLICT_SECONDS
        try:
            await execute.children(self.client, replace(plan, apply=ours), self.step)
        except ApiError as error:
            if NAMESPACE_ENDS in error.message:
                return None
            if error.status in REFUSALS:
                await self._tell(snapshot, now, refused(error))
            raise
        await self._status(snapshot, plan, now)
        return plan.requeue_after

    async def _tell(self, snapshot: FineTuneSnapshot | ModelSnapshot, now: datetime, obstacle: Check) -> None:
        """Write only status: why the children cannot be written."""
        await self._status(snapshot, self._plan(replace(snapshot, obstacle=obstacle), now), now)

    async def _status(self, snapshot: FineTuneSnapshot | ModelSnapshot, plan: Plan, now: datetime) -> None:
        await execute.status(self.client, snapshot.owner, plan, self.step)
        await execute.events(self.client, snapshot.owner, plan, now, self.step)

    async def _gather(self, key: Key) -> FineTuneSnapshot | ModelSnapshot | None:
        if key.kind == "FineTuneJob":
            return await gather.fine_tune_job(self.client, key.namespace, key.name)
        return await gather.banking_model(self.client, key.namespace, key.name)

    def _plan(self, snapshot: FineTuneSnapshot | ModelSnapshot, now: datetime) -> Plan:
        if isinstance(snapshot, FineTuneSnapshot):
            return plan_fine_tune_job(snapshot, now, self.settings)
        return plan_banking_model(snapshot, now, self.settings)
