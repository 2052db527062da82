"""How an adapter's new version follows the one that answers (spec.rollout): beside it, then in its place, or back.

Level-triggered: what answers now is in the live desired.json, what became of a new version in status.rollouts.
"""

from datetime import timedelta

from pydantic import ValidationError

from banktuner_api.bankingmodel import AdapterRollout, AdapterState, Rollout, RolloutState
from banktuner_api.serving import CanaryAdapter, DesiredAdapter
from banktuner_operator.plan.conditions import false, truncate
from banktuner_operator.plan.model_view import ModelView, staged, staging_failure
from banktuner_operator.plan.serving import Before, Resolved, Rolling, desired_adapter
from banktuner_operator.plan.types import Check, moment, timestamp

_SPEC_LIMITS = frozenset({"TooManyAdapters", "NeedsGpu"})
"""Reasons that are the spec's own, and hold for the version that answers too."""


def plan(view: ModelView, before: Before) -> dict[str, Rolling]:
    """The adapters, by name, whose wanted version does not answer all conversations now."""
    if view.spec is None or view.spec.rollout is None or before.state is None:
        return {}
    answering = {entry.name: entry for entry in before.state.adapters}
    room = view.spec.lora.max_adapters - sum(part.source is not None for part in view.adapters.values())
    found: dict[str, Rolling] = {}
    for name, part in view.adapters.items():
        stable = answering.get(name)
        rolling = _rolling(view, before, part, stable, room) if stable else None
        if rolling:
            found[name] = rolling
            # A version that only waits for its artifact has no place yet, but the one that answers needs its own.
            room -= rolling.canary is not None or part.source is None
    return found


def seconds_left(view: ModelView, longest: float) -> float:
    """Until the first canary has baked, at most `longest`."""
    begins = [moment(rolling.status.since) for rolling in view.rollouts.values() if rolling.status.since]
    if not begins or view.spec is None or view.spec.rollout is None:
        return longest
    left = (min(begins) - view.now).total_seconds() + view.spec.rollout.bake_seconds
    return min(longest, max(0.0, left))


def _rolling(view: ModelView, before: Before, part: Resolved, stable: DesiredAdapter, room: int) -> Rolling | None:
    """None: the wanted version answers, or is to answer at once."""
    assert view.spec is not None and view.spec.rollout is not None
    if part.source is None:
        return _kept(before, part, stable) if room > 0 else None
    wanted = desired_adapter(stable.name, part.source)
    if wanted.digest == stable.digest:
        return None
    known = _known(view, wanted)
    if known and known.state == RolloutState.ROLLED_BACK:
        return Rolling(stable, known)
    begun = known is not None or any(entry.digest == wanted.digest for entry in _canaries(before, stable.name))
    if not begun and not any(entry["state"] == AdapterState.READY for entry in view.told(stable.name, stable.digest)):
        return None  # nothing that answers can be spoilt
    if room <= 0:
        return Rolling(stable, _waits(wanted, _no_room(view.spec.lora.max_adapters)))
    failure = _failure(view, wanted) if begun else None
    return (
        Rolling(stable, _back(wanted, failure)) if failure else _forward(view, view.spec.rollout, stable, wanted, known)
    )


def _kept(before: Before, part: Resolved, stable: DesiredAdapter) -> Rolling | None:
    """The version that answers goes on while another FineTuneJob's is not there, or is refused."""
    blocked = part.blocked
    if (
        blocked is None
        or blocked.reason in _SPEC_LIMITS
        or part.job == before.sources.get("adapters", {}).get(stable.name)
    ):
        return None
    words = truncate(f"{blocked.message}; the version before it answers")
    return Rolling(
        stable, AdapterRollout(name=stable.name, state=RolloutState.WAITING, reason=blocked.reason, message=words)
    )


def _forward(
    view: ModelView, asked: Rollout, stable: DesiredAdapter, wanted: DesiredAdapter, known: AdapterRollout | None
) -> Rolling | None:
    since = None  # while a pod lacks it the time does not run: a version that brings engines down never answers all
    if _is_everywhere(view, wanted):
        since = (known.since if known else None) or timestamp(view.now)
        if view.now - moment(since) >= timedelta(seconds=asked.bake_seconds):
            return None
    percent = asked.canary_percent if since else 0
    state = RolloutState.BAKING if since else RolloutState.LOADING
    words = f"{percent} % of the conversations are answered by {wanted.digest}"
    status = AdapterRollout(name=wanted.name, digest=wanted.digest, state=state, message=words, since=since)
    return Rolling(stable, status, CanaryAdapter(**dict(wanted), percent=percent))


def _is_everywhere(view: ModelView, wanted: DesiredAdapter) -> bool:
    ready = sum(entry["state"] == AdapterState.READY for entry in view.told(wanted.name, wanted.digest))
    return view.spec is not None and 0 < view.spec.replicas <= ready


def _failure(view: ModelView, wanted: DesiredAdapter) -> Check | None:
    """Why the version cannot serve: a pod could not load it, or cannot start since it is wanted."""
    for entry in view.told(wanted.name, wanted.digest):
        if entry["state"] == AdapterState.FAILED:
            return false(entry.get("reason") or "AdapterFailed", entry.get("message", ""))
    for pod in view.pods("engine"):
        failure = None if staged(pod) else staging_failure(pod, "stage-model")
        if failure and (failure.field or "").startswith(f"spec.adapters[{wanted.name}]"):
            return false(failure.reason, failure.message)
        for status in pod.get("status", {}).get("containerStatuses", []):
            reason = status.get("state", {}).get("waiting", {}).get("reason")
            if status["name"] == "engine" and reason == "CrashLoopBackOff":
                return false("CrashLoopBackOff", "an engine keeps ending since the version is to be loaded")
    return None


def _no_room(limit: int) -> Check:
    message = f"spec.lora.maxAdapters is {limit}, and two versions at a time need room for both: raise it"
    return false("TooManyAdapters", f"{message}, or leave spec.rollout out")


def _waits(wanted: DesiredAdapter, why: Check) -> AdapterRollout:
    state, message = RolloutState.WAITING, truncate(why.message)
    return AdapterRollout(name=wanted.name, digest=wanted.digest, state=state, reason=why.reason, message=message)


def _back(wanted: DesiredAdapter, failure: Check) -> AdapterRollout:
    remedy = "The version before it answers. Name another one, or leave spec.rollout out to serve this one at once."
    message = truncate(f"{wanted.digest}: {failure.message[:700]}. {remedy}")
    state, reason = RolloutState.ROLLED_BACK, failure.reason
    return AdapterRollout(name=wanted.name, digest=wanted.digest, state=state, reason=reason, message=message)


def _known(view: ModelView, wanted: DesiredAdapter) -> AdapterRollout | None:
    """What was said of exactly this version before; a version that only waited has not begun."""
    for entry in view.status.get("rollouts", []):
        try:
            known = AdapterRollout.model_validate(entry)
        except ValidationError:  # of another version of the operator; told anew
            continue
        if (known.name, known.digest) == (wanted.name, wanted.digest) and known.state != RolloutState.WAITING:
            return known
    return None


def _canaries(before: Before, name: str) -> list[CanaryAdapter]:
    return [entry for entry in before.state.canaries if entry.name == name] if before.state else []
