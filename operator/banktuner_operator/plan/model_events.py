"""What is told once of a BankingModel: serving begins or ends, something is refused, an adapter is ready or fails."""

from banktuner_api.bankingmodel import AdapterState, RolloutState
from banktuner_api.common import ConditionStatus, Json
from banktuner_operator.plan.conditions import find
from banktuner_operator.plan.knowledge import REFRESH_FAILED
from banktuner_operator.plan.types import Check, Event

_SILENT = frozenset({"Accepted", "Staging", "Starting", "PodPending", "NoKnowledge", "Indexing"})
_EXPECTED = frozenset({"WaitingForModel", "WaitingForClassifier", "ScaledToZero"})


def of(owner: Json, checks: dict[str, Check], adapters: list[Json], rollouts: list[Json]) -> tuple[Event, ...]:
    """Told when serving begins or ends, when something is refused, when documents are indexed or cannot be, when an
    adapter becomes ready or fails, and when a new version of one is tried or taken back."""
    events = []
    for kind in ("Accepted", "KnowledgeReady", "Ready"):
        check, before = checks[kind], find(owner, kind)
        same = before is not None and (before["status"], before["reason"]) == (check.status, check.reason)
        if same or check.reason in _SILENT or (kind == "KnowledgeReady" and check.reason == checks["Ready"].reason):
            continue
        good = check.status == ConditionStatus.TRUE and check.reason != REFRESH_FAILED
        normal = good or check.reason in _EXPECTED
        events.append(Event("Normal" if normal else "Warning", check.reason, check.message or kind))
    earlier = {entry["name"]: entry for entry in owner.get("status", {}).get("adapters", [])}
    for entry in adapters:
        was = earlier.get(entry["name"], {})
        if (was.get("state"), was.get("digest")) != (entry["state"], entry.get("digest")):
            events.extend(_adapter_event(entry))
    before = {entry["name"]: entry for entry in owner.get("status", {}).get("rollouts", [])}
    for entry in rollouts:
        was = before.get(entry["name"], {})
        if (was.get("state"), was.get("digest")) != (entry["state"], entry.get("digest")):
            events.extend(_rollout_event(entry))
    return tuple(events)


def _rollout_event(entry: Json) -> list[Event]:
    words = f"adapter {entry['name']}: {entry['message']}"
    if entry["state"] == RolloutState.BAKING:
        return [Event("Normal", "CanaryBaking", words)]
    return [Event("Warning", "RolledBack", words)] if entry["state"] == RolloutState.ROLLED_BACK else []


def _adapter_event(entry: Json) -> list[Event]:
    if entry["state"] == AdapterState.READY:
        return [Event("Normal", "AdapterReady", f"adapter {entry['name']} ({entry['digest']}) is served")]
    if entry["state"] == AdapterState.FAILED:
        return [Event("Warning", entry["reason"] or "AdapterFailed", f"adapter {entry['name']}: {entry['message']}")]
    return []
