"""FineTuneJob: from what was seen to what to do. Attempts are Jobs; the newest one tells how far it is."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from banktuner_api import metrics, names
from banktuner_api.common import Json
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_operator.manifests import configmap, job, networkpolicy, service, training_pod
from banktuner_operator.manifests.metadata import TEMPLATE_ANNOTATION, Owner
from banktuner_operator.plan import base_model, changes, finetune_status, outcome
from banktuner_operator.plan.conditions import false, is_true
from banktuner_operator.plan.finetune_status import View
from banktuner_operator.plan.run_config import Place, run_config
from banktuner_operator.plan.types import Check, Deletion, Event, FineTuneSnapshot, Plan, moment
from banktuner_operator.settings import Profile, Settings

MAX_RETRY_SECONDS = 360.0


@dataclass(frozen=True)
class _Case:
    """One FineTuneJob under decision."""

    snapshot: FineTuneSnapshot
    spec: FineTuneJobSpec
    owner: Owner
    settings: Settings
    now: datetime

    @property
    def jobs(self) -> dict[int, Json]:
        """Live Jobs by attempt."""
        return {int(live["metadata"]["labels"][names.LABEL_ATTEMPT]): live for live in self.snapshot.jobs}

    @property
    def told(self) -> int:
        """Attempts that status tells of."""
        count: int = self.snapshot.owner.get("status", {}).get("attempts", 0)
        return count

    @property
    def attempt(self) -> int:
        """The newest attempt: what status says, or a Job that was made just before a crash."""
        return max(1, self.told, *self.jobs)

    def pods(self, live: Json) -> list[Json]:
        """Pods of a Job."""
        return [pod for pod in self.snapshot.pods if controller_uid(pod) == live["metadata"]["uid"]]


def plan_fine_tune_job(snapshot: FineTuneSnapshot, now: datetime, settings: Settings) -> Plan:
    """Decide. After the plan is carried out, planning again changes nothing."""
    if snapshot.owner["metadata"].get("deletionTimestamp"):
        return Plan()
    if is_true(snapshot.owner, "Complete") or is_true(snapshot.owner, "Failed"):
        return _finished(snapshot, now)
    try:
        spec = FineTuneJobSpec.model_validate(snapshot.owner["spec"])
    except ValidationError as error:
        view = View(snapshot.owner, now, attempts=0, accepted=false("InvalidSpec", invalid(error)))
        return finetune_status.plan(view)
    return _unfinished(_Case(snapshot, spec, Owner.of(snapshot.owner), settings, now))


def invalid(error: ValidationError) -> str:
    """Fields that do not hold, without their values."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"spec.{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)


def controller_uid(live: Json) -> str | None:
    """Uid of the controller that owns an object."""
    references = live["metadata"].get("ownerReferences", [])
    return next((reference["uid"] for reference in references if reference.get("controller")), None)


def _finished(snapshot: FineTuneSnapshot, now: datetime) -> Plan:
    ttl = snapshot.owner["spec"].get("ttlSecondsAfterFinished")
    ended = snapshot.owner["status"].get("completionTime")
    if ttl is None or ended is None:
        return Plan()
    left = (moment(ended) + timedelta(seconds=ttl) - now).total_seconds()
    return Plan(requeue_after=left) if left > 0 else Plan(delete=(Deletion.of(snapshot.owner),))


def _unfinished(case: _Case) -> Plan:
    live = case.jobs.get(case.attempt)
    view = View(case.snapshot.owner, case.now, case.attempt if live else case.told)
    view = replace(
        view,
        spec=case.spec,
        job=live,
        pods=case.pods(live) if live else [],
        job_events=case.snapshot.job_events,
    )
    profile = case.settings.profile(case.spec.profile)
    if live is None and profile is None:
        return finetune_status.plan(replace(view, accepted=_unknown_profile(case)))
    end = outcome.of_job(live, view.pods, case.spec) if live else None
    if live and end:
        return _ended(case, view, live, end)
    return _attempt(case, view, profile or Profile(), case.attempt)


def _unknown_profile(case: _Case) -> Check:
    known = ", ".join(sorted(case.settings.profiles)) or "none"
    return false("UnknownProfile", f"spec.profile: {case.spec.profile!r} is not defined; known profiles: {known}")


def _ended(case: _Case, view: View, live: Json, end: outcome.Outcome) -> Plan:
    if end.result:
        return finetune_status.succeeded(view, end.result)
    if end.failure is None:
        # The Job is complete but its pod is gone: the same attempt again finds its artifact committed and says so.
        return replace(finetune_status.plan(view), delete=(Deletion.of(live),))
    if not end.retryable or case.attempt > case.spec.backoff_limit:
        return finetune_status.failed(view, end.failure)
    due = end.at + timedelta(seconds=retry_delay(case.attempt, case.settings.retry_seconds))
    wait = (due - case.now).total_seconds()
    if case.spec.suspend:
        return finetune_status.plan(view)
    if wait > 0:
        return finetune_status.retrying(view, end.failure, max(wait, 0.0))
    profile = case.settings.profile(case.spec.profile)
    if profile is None:
        return finetune_status.plan(replace(view, accepted=_unknown_profile(case)))
    event = Event("Warning", end.failure.reason, f"attempt {case.attempt} failed: {end.failure.message}")
    following = replace(view, attempts=case.attempt + 1, job=None, pods=[], events=(event,))
    return _attempt(case, following, profile, case.attempt + 1)


def retry_delay(attempt: int, first: float) -> float:
    """Seconds between the end of an attempt and the next one."""
    return min(first * 2.0 ** (attempt - 1), MAX_RETRY_SECONDS)


def _attempt(case: _Case, view: View, profile: Profile, number: int) -> Plan:
    """Keep (or bring) one attempt and its children."""
    if view.job is None and case.spec.suspend:
        return finetune_status.plan(view)
    base = base_model.find_base(case.spec, case.snapshot.base)
    promoted = base_model.find_promoted(case.spec, case.snapshot.promoted)
    for needed in (base, promoted):
        if view.job is None and needed.check is not None:
            return finetune_status.plan(replace(view, accepted=needed.accepted, running=needed.check))
    secrets = tuple(sorted({needed.secret for needed in (base, promoted) if needed.secret}))
    wanted = training_pod.Attempt(case.owner, case.spec, number, profile, _queue(case), secrets)
    desired = job.training_job(wanted, case.settings)
    if view.job is not None and _may_replace(view.job, desired):
        return replace(finetune_status.plan(view), delete=(Deletion.of(view.job),))
    place = Place(case.owner, number, base.model, case.settings.agent_url, promoted.model, profile.prices)
    wrong = metrics.problem(run_config(case.spec, place))
    if view.job is None and wrong is not None:
        refused = false("InvalidEvaluation", f"{wrong.field}: {wrong.message}")
        return finetune_status.plan(replace(view, accepted=refused, running=refused))
    return _apply(case, replace(view, attempts=number), desired, place)


def _queue(case: _Case) -> str | None:
    label: str | None = case.snapshot.owner["metadata"].get("labels", {}).get(names.KUEUE_QUEUE_LABEL)
    return label


def _may_replace(live: Json, desired: Json) -> bool:
    """A Job that waits suspended takes changes of resources and profile by being made again."""
    idle = live["spec"].get("suspend") and not live.get("status", {}).get("active")
    hashes = [child["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION) for child in (live, desired)]
    return bool(idle) and hashes[0] != hashes[1]


def _apply(case: _Case, view: View, desired: Json, place: Place) -> Plan:
    apply = list(changes.needed(_network(case), (*case.snapshot.network_policies, *case.snapshot.services)))
    config_maps = changes.by_name(case.snapshot.config_maps)
    if ("ConfigMap", configmap.run_name(case.owner, view.attempts)) not in config_maps:
        apply.append(configmap.run_config_map(case.owner, run_config(case.spec, place), case.settings.agent_ca))
    wanted = desired if view.job is None else frozen(view.job, desired, suspend=case.spec.suspend)
    if view.job is None or not changes.contains(view.job, wanted):
        apply.append(wanted)
    obstacle = case.snapshot.obstacle
    if obstacle:
        return finetune_status.plan(replace(view, accepted=obstacle, running=obstacle))
    return finetune_status.plan(view, apply=tuple(apply))


def _network(case: _Case) -> list[Json]:
    together = case.spec.nodes > 1
    tracked = training_pod.follows(case.spec.tracking)
    policy = networkpolicy.training_policy(case.owner, case.settings, together, tracked)
    return [policy, service.rendezvous_service(case.owner)] if together else [policy]


def frozen(live: Json, desired: Json, suspend: bool) -> Json:
    """The desired Job with everything that may not change taken from the live one.

    With a queue it is the queue that lifts `suspend`; only a user's own suspension is written then.
    """
    queued = names.KUEUE_QUEUE_LABEL in desired["metadata"]["labels"]
    keep = {key: live["spec"][key] for key in desired["spec"] if key in live["spec"] and key != "activeDeadlineSeconds"}
    keep["suspend"] = (suspend or bool(live["spec"].get("suspend"))) if queued else suspend
    metadata = {**desired["metadata"], "annotations": {TEMPLATE_ANNOTATION: _template_hash(live)}}
    return desired | {"metadata": metadata, "spec": desired["spec"] | keep}


def _template_hash(live: Json) -> str:
    return str(live["metadata"].get("annotations", {}).get(TEMPLATE_ANNOTATION, ""))
