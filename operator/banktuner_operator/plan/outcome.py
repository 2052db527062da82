"""How an attempt ended: read from the Job's conditions and from the containers' termination messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from banktuner_api.common import Json
from banktuner_api.exit_codes import RETRYABLE, ExitCode
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.handshake import Failure, Result
from banktuner_operator.plan.types import moment


@dataclass(frozen=True)
class Outcome:
    """The end of an attempt: a result, or a failure, or neither where the pod's last words are lost."""

    at: datetime
    result: Result | None = None
    failure: Failure | None = None
    retryable: bool = False


@dataclass(frozen=True)
class Ended:
    """A container that ended."""

    container: str
    exit_code: int
    reason: str
    message: str


def of_job(job: Json, pods: list[Json], spec: FineTuneJobSpec) -> Outcome | None:
    """The outcome, once the Job has one. `pods` are those of this Job."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["status"] != "True":
            continue
        at = moment(condition["lastTransitionTime"])
        if condition["type"] == "Complete":
            return Outcome(at, result=_result(pods))
        if condition["type"] == "Failed":
            failure, retryable = _failure(condition, pods, spec)
            return Outcome(at, failure=failure, retryable=retryable)
    return None


def _result(pods: list[Json]) -> Result | None:
    for pod in _newest_first(pods):
        for ended in _ended(pod):
            if ended.container == "trainer" and ended.exit_code == ExitCode.OK:
                try:
                    return Result.model_validate_json(ended.message)
                except ValidationError:
                    continue
    return None


def _failure(condition: Json, pods: list[Json], spec: FineTuneJobSpec) -> tuple[Failure, bool]:
    if condition.get("reason") == "DeadlineExceeded":
        limit = f"the attempt ran longer than {spec.active_deadline_seconds} s"
        return Failure(reason="DeadlineExceeded", message=limit, field="spec.activeDeadlineSeconds"), False
    for pod in _newest_first(pods):
        if pod.get("status", {}).get("reason") == "Evicted":
            return _evicted(pod, spec), False
        for ended in _ended(pod):
            if ended.container in ("stage", "trainer") and ended.exit_code != ExitCode.OK:
                return _container_failure(ended, spec)
    return Failure(reason="PodLost", message="the pod ended or was deleted without last words"), True


def _container_failure(ended: Ended, spec: FineTuneJobSpec) -> tuple[Failure, bool]:
    if ended.reason == "OOMKilled":
        return _out_of_memory(ended.container, spec), False
    retryable = ended.exit_code in RETRYABLE or ended.exit_code not in set(ExitCode)
    try:
        return Failure.model_validate_json(ended.message), retryable
    except ValidationError:
        message = f"container {ended.container} ended with exit code {ended.exit_code}"
        return Failure(reason=_code_name(ended.exit_code), message=message), retryable


def _out_of_memory(container: str, spec: FineTuneJobSpec) -> Failure:
    size = spec.training.batch_size
    batch = f"spec.training.batchSize ({size})" if size else "spec.training.batchSize"
    advice = f"raise spec.resources.memory ({spec.resources.memory}), or lower {batch} or spec.training.maxLength"
    return Failure(reason="OutOfMemory", message=f"{container} was killed for memory: {advice}")


def _evicted(pod: Json, spec: FineTuneJobSpec) -> Failure:
    said = pod["status"].get("message", "the node evicted the pod")
    advice = f"raise it ({spec.resources.ephemeral_storage})"
    return Failure(reason="DiskFull", message=f"{said} {advice}", field="spec.resources.ephemeralStorage")


def _code_name(code: int) -> str:
    if code not in set(ExitCode):
        return "ContainerFailed"
    return "".join(part.capitalize() for part in ExitCode(code).name.split("_"))


def _newest_first(pods: list[Json]) -> list[Json]:
    return sorted(pods, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _ended(pod: Json) -> Iterator[Ended]:
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        end = container.get("state", {}).get("terminated")
        if end:
            yield Ended(container["name"], end["exitCode"], end.get("reason", ""), end.get("message", ""))
