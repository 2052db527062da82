"""Indexing of a BankingModel's documents: when a Job runs, which ones go, and what the index's state is called."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import ValidationError

from banktuner_api.common import Json
from banktuner_api.handshake import Failure
from banktuner_operator.manifests.index_job import COMPONENT, IndexSetup, config_key, index_job
from banktuner_operator.manifests.metadata import CONFIG_ANNOTATION
from banktuner_operator.plan import waiting
from banktuner_operator.plan.conditions import false, true
from banktuner_operator.plan.finetune import controller_uid
from banktuner_operator.plan.types import Check, Deletion, ModelSnapshot, moment, timestamp
from banktuner_operator.settings import Settings

RETRY_SECONDS = 120
"""After a run that failed."""
REFRESH_FAILED = "RefreshFailed"
NO_KNOWLEDGE = true("NoKnowledge", "spec.gateway.knowledge is not set")


@dataclass(frozen=True)
class Indexing:
    """What becomes of the Jobs, and what KnowledgeReady says."""

    check: Check
    start: Json | None = None
    delete: tuple[Deletion, ...] = ()


@dataclass(frozen=True)
class _Run:
    """A live Job. `ended` None: it is under way, or on its way out."""

    job: Json
    ended: datetime | None
    succeeded: bool

    @classmethod
    def of(cls, job: Json) -> "_Run":
        conditions = job.get("status", {}).get("conditions", [])
        if not job["metadata"].get("deletionTimestamp"):
            for condition in conditions:
                if condition["status"] == "True" and condition["type"] in ("Complete", "Failed"):
                    at = moment(condition["lastTransitionTime"])
                    return cls(job, at, condition["type"] == "Complete")
        return cls(job, None, False)


def plan(
    setup: IndexSetup | None, snapshot: ModelSnapshot, now: datetime, settings: Settings, secrets: waiting.SecretFields
) -> Indexing:
    """Decide. A run's Job stays until a newer one has succeeded: it is all that is known of the index."""
    runs = [_Run.of(child) for child in snapshot.children if child["kind"] == "Job"]
    if setup is None:
        return Indexing(NO_KNOWLEDGE, delete=_deletions(runs))
    key = config_key(setup.config)
    mine = [run for run in runs if run.job["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION) == key]
    newest, good = _newest(mine), _newest([run for run in mine if run.succeeded])
    kept = [run for run in mine if run.ended is None or run in (newest, good)]
    going = next((run for run in mine if run.ended is None), None)
    start = None
    # One at a time: what is under way for other settings is deleted first, and its end wakes us.
    if all(run.ended for run in runs) and _due(newest, setup, now):
        after = timestamp(newest.ended) if newest and newest.ended else ""
        start = index_job(IndexSetup(setup.owner, setup.knowledge, setup.config, setup.profile, after), settings)
    check = _check(snapshot, newest, good, going, secrets)
    return Indexing(check, start, _deletions([run for run in runs if run not in kept]))


def _deletions(runs: list[_Run]) -> tuple[Deletion, ...]:
    return tuple(Deletion.of(run.job) for run in runs if not run.job["metadata"].get("deletionTimestamp"))


def _newest(runs: list[_Run]) -> _Run | None:
    ended = [(run.ended, run.job["metadata"]["name"], run) for run in runs if run.ended]
    return max(ended, key=lambda entry: entry[:2])[2] if ended else None


def _due(newest: _Run | None, setup: IndexSetup, now: datetime) -> bool:
    if newest is None or newest.ended is None:
        return True
    refresh = setup.knowledge.refresh_seconds
    pause = refresh if newest.succeeded else min(RETRY_SECONDS, refresh)
    return now >= newest.ended + timedelta(seconds=pause)


def _check(
    snapshot: ModelSnapshot, newest: _Run | None, good: _Run | None, going: _Run | None, secrets: waiting.SecretFields
) -> Check:
    failed = _failure(snapshot, newest.job) if newest and not newest.succeeded else None
    stopped = _stopped(snapshot, going.job, secrets) if going else None
    if good and good.ended:
        words = f"the documents as they were until {timestamp(good.ended)} are searched"
        trouble = stopped or failed
        return true(REFRESH_FAILED, f"{words}; {trouble.message}") if trouble else true("Indexed", words)
    return stopped or failed or false("Indexing", "the documents are being indexed")


def _pods(snapshot: ModelSnapshot, job: Json) -> list[Json]:
    return [pod for pod in snapshot.pods if controller_uid(pod) == job["metadata"]["uid"]]


def _stopped(snapshot: ModelSnapshot, job: Json, secrets: waiting.SecretFields) -> Check | None:
    """Why a run that is under way does not get on; None: it does."""
    pods = _pods(snapshot, job)
    if not pods:
        return waiting.of_no_pod(snapshot.index_warnings) if snapshot.index_warnings else None
    return next((check for pod in pods if (check := waiting.of_pod(pod, secrets))), None)


def _failure(snapshot: ModelSnapshot, job: Json) -> Check:
    for pod in _pods(snapshot, job):
        for status in pod.get("status", {}).get("containerStatuses", []):
            ended = status.get("state", {}).get("terminated")
            if status["name"] == COMPONENT and ended and ended["exitCode"] != 0:
                return _words(ended)
    condition = next(entry for entry in job["status"]["conditions"] if entry["type"] == "Failed")
    return false("IndexingFailed", f"the indexing pod left no word ({condition.get('reason', 'Failed')})")


def _words(ended: Json) -> Check:
    if ended.get("reason") == "OOMKilled":
        return false("OutOfMemory", "spec.gateway.knowledge.documents: indexing needs more memory than its fixed limit")
    try:
        failure = Failure.model_validate_json(ended.get("message", ""))
    except ValidationError:
        return false("IndexingFailed", f"the indexing pod ended with exit code {ended['exitCode']}")
    field = f"spec.gateway.{failure.field}: " if failure.field else ""
    return false(failure.reason, f"{field}{failure.message}; it is tried again by itself")
