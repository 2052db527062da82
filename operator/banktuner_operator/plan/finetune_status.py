"""status of a FineTuneJob: conditions from checks, the phase from conditions, events from what changed."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from banktuner_api import names
from banktuner_api.common import ConditionStatus, Json
from banktuner_api.finetunejob_evaluation import Threshold
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.finetunejob_status import Phase
from banktuner_api.handshake import Failure, Result
from banktuner_operator.manifests.training_pod import secret_fields
from banktuner_operator.plan import outcome, waiting
from banktuner_operator.plan.base_model import ACCEPTED
from banktuner_operator.plan.conditions import false, find, merge, true, unknown
from banktuner_operator.plan.types import Check, Event, Plan, timestamp

STEADY_SECONDS = 60.0
"""Resynchronisation of a job that runs; everything urgent comes as an event."""


ALL_DONE = {"progressPercentage": 100, "estimatedRemainingSeconds": 0}
"""The trainer's last report may be older than the end."""


@dataclass(frozen=True)
class View:
    """What status is made from. `running` overrides what the pods say."""

    owner: Json
    now: datetime
    attempts: int
    spec: FineTuneJobSpec | None = None
    job: Json | None = None
    pods: list[Json] = field(default_factory=list)
    accepted: Check = ACCEPTED
    running: Check | None = None
    events: tuple[Event, ...] = ()
    job_events: tuple[str, ...] = ()


def plan(view: View, apply: tuple[Json, ...] = ()) -> Plan:
    """The plan of a job that is not finished."""
    checks = {
        "Accepted": view.accepted,
        "Suspended": _suspended(view),
        "Running": _running(view),
        "ArtifactReady": false("NotCommitted"),
        "EvaluationPassed": unknown("NotEvaluated"),
        "Complete": false("NotFinished"),
        "Failed": false("NotFinished"),
    }
    return _with_status(view, checks, {}, apply, STEADY_SECONDS)


def retrying(view: View, failure: Failure, wait: float) -> Plan:
    """The plan between two attempts."""
    limit = view.spec.backoff_limit if view.spec else 0
    message = f"attempt {view.attempts} of {limit + 1} failed: {told(failure)}; the next one starts in {wait:.0f} s"
    planned = plan(replace(view, running=false("RetryBackoff", message)))
    return replace(planned, requeue_after=max(wait, 1.0))


def failed(view: View, failure: Failure) -> Plan:
    """The plan that ends a job without an artifact."""
    message = f"attempt {view.attempts}: {told(failure)}"
    checks = {
        "Accepted": view.accepted,
        "Suspended": false("NotSuspended"),
        "Running": false("Finished"),
        "ArtifactReady": false("NoArtifact"),
        "EvaluationPassed": unknown("NotEvaluated"),
        "Complete": false("Failed"),
        "Failed": true(failure.reason, message),
    }
    return _with_status(view, checks, {"completionTime": timestamp(view.now)}, (), None)


def succeeded(view: View, result: Result) -> Plan:
    """The plan that ends a job with its artifact."""
    thresholds = view.spec.evaluation.thresholds if view.spec and view.spec.evaluation else []
    passed = evaluate(thresholds, {metric.name: metric.value for metric in result.metrics})
    checks = {
        "Accepted": view.accepted,
        "Suspended": false("NotSuspended"),
        "Running": false("Finished"),
        "ArtifactReady": true("Committed", result.artifact.uri),
        "EvaluationPassed": passed,
        "Complete": true("ArtifactCommitted", f"attempt {view.attempts} committed {result.artifact.digest}"),
        "Failed": false("Succeeded"),
    }
    facts: Json = {
        "completionTime": timestamp(view.now),
        "artifact": result.artifact.to_json(),
        "evaluation": {
            "passed": passed.status == ConditionStatus.TRUE,
            "metrics": [metric.to_json() for metric in result.metrics],
        },
        "resourcesUsed": result.resources_used.to_json(),
        "trainerStatus": view.owner.get("status", {}).get("trainerStatus", {}) | ALL_DONE,
    }
    return _with_status(view, checks, facts, (), None)


def evaluate(thresholds: list[Threshold], metrics: dict[str, str]) -> Check:
    """Do all thresholds hold? The message names every one that does not."""
    if not thresholds:
        return true("NoThresholds", "no thresholds are set")
    broken = [problem for problem in (_broken(threshold, metrics) for threshold in thresholds) if problem]
    return false("ThresholdNotMet", "; ".join(broken)) if broken else true("ThresholdsMet")


def _broken(threshold: Threshold, metrics: dict[str, str]) -> str | None:
    if threshold.metric not in metrics:
        return f"{threshold.metric} was not measured (measured: {', '.join(sorted(metrics)) or 'nothing'})"
    value = float(metrics[threshold.metric])
    # Written so that a NaN breaks every bound.
    if threshold.at_least is not None and not value >= threshold.at_least:
        return f"{threshold.metric} is {value:g}, at least {threshold.at_least:g} is needed"
    if threshold.at_most is not None and not value <= threshold.at_most:
        return f"{threshold.metric} is {value:g}, at most {threshold.at_most:g} is allowed"
    return None


def told(failure: Failure) -> str:
    """A failure in words, led by the field to mend."""
    return f"{failure.field}: {failure.message}" if failure.field else failure.message


def _suspended(view: View) -> Check:
    if view.spec and view.spec.suspend:
        return true("Suspended", "spec.suspend is true")
    if view.job and view.job["spec"].get("suspend") and names.KUEUE_QUEUE_LABEL in view.job["metadata"]["labels"]:
        queue = view.job["metadata"]["labels"][names.KUEUE_QUEUE_LABEL]
        return true("Queued", f"waiting in queue {queue!r}")
    return false("NotSuspended")


def _running(view: View) -> Check:
    if view.running:
        return view.running
    if view.accepted.status != ConditionStatus.TRUE:
        return false(view.accepted.reason, view.accepted.message)
    suspended = _suspended(view)
    if suspended.status == ConditionStatus.TRUE:
        return false(suspended.reason, suspended.message)
    if view.job is None:
        return false("Starting", f"attempt {max(view.attempts, 1)} is being created")
    pods = _current(view)
    if len(pods) < (view.spec.nodes if view.spec else 1):
        return waiting.of_no_pod(view.job_events)
    return _of_pods(view, pods)


def _current(view: View) -> list[Json]:
    """The newest pod of each index of the Job."""
    alive = [pod for pod in view.pods if not pod["metadata"].get("deletionTimestamp")]
    count = view.spec.nodes if view.spec else 1
    return [found[0] for index in range(count) if (found := outcome.of_index(alive, index))]


def _of_pods(view: View, pods: list[Json]) -> Check:
    """The one that is behind tells how far the attempt is: they train together."""
    secrets = secret_fields(view.spec) if view.spec else []
    blocked = next((check for pod in pods if (check := waiting.of_pod(pod, secrets))), None)
    if blocked:
        return blocked
    if any(_is_running(pod, "initContainerStatuses", "stage") for pod in pods):
        return _active(view, Phase.STAGING)
    if any(_is_running(pod, "containerStatuses", "trainer") for pod in pods):
        return _active(view)
    return false("Starting", "the pod starts")


def _is_running(pod: Json, statuses: str, container: str) -> bool:
    found = (entry for entry in pod.get("status", {}).get(statuses, []) if entry["name"] == container)
    return any("running" in entry.get("state", {}) for entry in found)


def _active(view: View, known: Phase = Phase.RUNNING) -> Check:
    """A container works; what it last told of itself names the step and what it waits for."""
    activity = view.owner.get("status", {}).get("activity") or {}
    if activity.get("attempt") != view.attempts:
        activity = {}
    phase = activity.get("phase", known) if known == Phase.RUNNING else known
    return true(activity.get("reason") or str(phase), activity.get("message", ""))


def derive_phase(checks: dict[str, Check], owner: Json) -> Phase:
    """One word for humans."""
    holds = {kind for kind, check in checks.items() if check.status == ConditionStatus.TRUE}
    if "Failed" in holds:
        return Phase.FAILED
    if "Complete" in holds:
        return Phase.SUCCEEDED
    if "Suspended" in holds:
        return Phase.QUEUED if checks["Suspended"].reason == "Queued" else Phase.SUSPENDED
    if "Running" not in holds:
        return Phase.PENDING
    reason = checks["Running"].reason
    told_phase = (owner.get("status", {}).get("activity") or {}).get("phase", Phase.RUNNING)
    return Phase(reason) if reason in set(Phase) else Phase(told_phase)


def _with_status(
    view: View, checks: dict[str, Check], facts: Json, apply: tuple[Json, ...], again: float | None
) -> Plan:
    before = view.owner.get("status", {})
    status: Json = {
        "observedGeneration": view.owner["metadata"]["generation"],
        "phase": str(derive_phase(checks, view.owner)),
        "conditions": merge(before.get("conditions", []), checks, view.owner["metadata"]["generation"], view.now),
        "attempts": view.attempts,
        **facts,
    }
    start = before.get("startTime") or (timestamp(view.now) if view.attempts else None)
    if start:
        status["startTime"] = start
    events = (*view.events, *_events(view.owner, checks))
    return Plan(apply=apply, status=status, events=events, requeue_after=again)


def _events(owner: Json, checks: dict[str, Check]) -> tuple[Event, ...]:
    """Told when the reason changes: the end of a job, and what it waits for."""
    events = []
    for kind in ("Accepted", "Running", "EvaluationPassed", "Complete", "Failed"):
        check, before = checks[kind], find(owner, kind)
        if before and (before["status"], before["reason"]) == (check.status, check.reason):
            continue
        event = _event(kind, check)
        if event:
            events.append(event)
    return tuple(events)


_EXPECTED = frozenset({"WaitingForModel", "WaitingForPromoted", "Suspended", "Queued"})
_QUIET = frozenset({"Finished", "Starting", "PodPending", "NotSuspended", "NotFinished", "Failed", "Accepted"})


def _event(kind: str, check: Check) -> Event | None:
    holds = check.status == ConditionStatus.TRUE
    if check.reason in _QUIET or (kind in ("Complete", "Failed") and not holds):
        return None
    if kind == "EvaluationPassed" and check.status != ConditionStatus.FALSE:
        return None
    normal = (holds and kind in ("Running", "Complete")) or check.reason in _EXPECTED
    return Event("Normal" if normal else "Warning", check.reason, check.message or kind)
