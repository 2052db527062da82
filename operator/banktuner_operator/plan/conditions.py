"""metav1.Condition: merging what checks found into what was said before."""

from collections.abc import Mapping
from datetime import datetime

from banktuner_api.common import ConditionStatus, Json
from banktuner_operator.plan.types import Check, timestamp

MESSAGE_LIMIT = 1024


def merge(before: list[Json], checks: Mapping[str, Check], generation: int, now: datetime) -> list[Json]:
    """The new list, in the order of `checks`. lastTransitionTime moves only when a status changes."""
    known = {condition["type"]: condition for condition in before}
    return [_condition(kind, check, known.get(kind), generation, now) for kind, check in checks.items()]


def _condition(kind: str, check: Check, before: Json | None, generation: int, now: datetime) -> Json:
    same = before is not None and before["status"] == check.status
    return {
        "type": kind,
        "status": str(check.status),
        "reason": check.reason,
        "message": truncate(check.message),
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before and same else timestamp(now),
    }


def truncate(message: str, limit: int = MESSAGE_LIMIT) -> str:
    """At most `limit` characters; a cut is marked."""
    return message if len(message) <= limit else message[: limit - 1] + "…"


def find(owner: Json, kind: str) -> Json | None:
    """A condition of a live object."""
    conditions = owner.get("status", {}).get("conditions", [])
    return next((condition for condition in conditions if condition["type"] == kind), None)


def is_true(owner: Json, kind: str) -> bool:
    """Does a live object say so?"""
    condition = find(owner, kind)
    return condition is not None and condition["status"] == ConditionStatus.TRUE


def true(reason: str, message: str = "") -> Check:
    """A check that holds."""
    return Check(ConditionStatus.TRUE, reason, message)


def false(reason: str, message: str = "") -> Check:
    """A check that does not hold."""
    return Check(ConditionStatus.FALSE, reason, message)


def unknown(reason: str, message: str = "") -> Check:
    """A check that cannot be answered yet."""
    return Check(ConditionStatus.UNKNOWN, reason, message)
