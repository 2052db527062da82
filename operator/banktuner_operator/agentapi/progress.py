"""What a training pod's report changes in the status of its FineTuneJob. Pure."""

from banktuner_api.agent import Report
from banktuner_api.common import Json
from banktuner_api.finetunejob_status import Phase

FIELDS = ("trainerStatus", "activity", "checkpoint")
"""What the agent API writes, of a FineTuneJob's status."""


def told(report: Report, before: Json, now: str) -> Json:
    """The fields that `report` replaces; `before`: what the agent API wrote earlier, of FIELDS."""
    status: Json = {}
    if report.trainer_status:
        status["trainerStatus"] = {"lastUpdatedTime": now} | report.trainer_status.to_json()
    elif report.attempt:
        status["trainerStatus"] = _beside_the_trainer(report, before, now)
    if report.attempt:
        status["activity"] = _activity(report, now)
    if report.checkpoint:
        status["checkpoint"] = report.checkpoint.to_json()
    return status


def _beside_the_trainer(report: Report, before: Json, now: str) -> Json:
    """A container that does not train knows the time left only: what the trainer said of this attempt stays.

    While staging it has said nothing yet, whatever an earlier attempt, or an earlier pod of this one, left behind.
    """
    same = report.phase != Phase.STAGING and before.get("activity", {}).get("attempt") == report.attempt
    status = dict(before.get("trainerStatus", {})) if same else {}
    status.pop("estimatedRemainingSeconds", None)
    if report.remaining_seconds is not None:
        status["estimatedRemainingSeconds"] = report.remaining_seconds
    return status | {"lastUpdatedTime": now}


def _activity(report: Report, now: str) -> Json:
    return {
        "phase": str(report.phase or Phase.RUNNING),
        "reason": report.reason,
        "message": report.message,
        "attempt": report.attempt,
        "lastUpdatedTime": now,
    }
