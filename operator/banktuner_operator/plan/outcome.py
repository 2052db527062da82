"""How an attempt ended: read from the Job's conditions and from the containers' termination messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from banktuner_api import memory_advice
from banktuner_api.common import Json
from banktuner_api.exit_codes import RETRYABLE, ExitCode
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.handshake import Failure, Result
from banktuner_operator.manifests import quantity
from banktuner_operator.manifests.pod import HELPER_MEMORY
from banktuner_operator.plan import defaults
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


INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
"""Of a pod of a Job with several; the first, 0, publishes."""
FOLLOWERS = frozenset({"PeerLost", "PeersMissing", "Interrupted"})
"""What pods say that end because another one of their Job ended."""


def of_job(job: Json, pods: list[Json], spec: FineTuneJobSpec) -> Outcome | None:
    """The outcome, once the Job has one. `pods` are those of this Job."""
    for condition in job.get("status", {}).get("conditions", []):
        if condition["status"] != "True" or condition["type"] not in ("Complete", "Failed"):
            continue
        at = moment(condition["lastTransitionTime"])
        # What is committed counts, whatever became of the Job or of the other pods afterwards.
        result = _result(pods)
        if result or condition["type"] == "Complete":
            return Outcome(at, result=result)
        failure, retryable = _failure(condition, pods, spec)
        return Outcome(at, failure=failure, retryable=retryable)
    return None


def of_index(pods: list[Json], index: int) -> list[Json]:
    """The pods of one index of a Job, newest first; a Job without indices has index 0 only."""
    mine = [pod for pod in pods if pod["metadata"].get("labels", {}).get(INDEX_LABEL, "0") == str(index)]
    return sorted(mine, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


def _result(pods: list[Json]) -> Result | None:
    for pod in of_index(pods, 0):
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
    found = (_newest_failure(of_index(pods, index), spec) for index in range(spec.nodes))
    failures = sorted((one for one in found if one), key=lambda one: (one[1], one[0].reason in FOLLOWERS))
    if failures:
        return failures[0]
    return Failure(reason="PodLost", message="the pod ended or was deleted without last words"), True


def _newest_failure(pods: list[Json], spec: FineTuneJobSpec) -> tuple[Failure, bool] | None:
    for pod in pods:
        if pod.get("status", {}).get("reason") == "Evicted":
            return _evicted(pod, spec)
        for ended in _ended(pod):
            if ended.container in ("stage", "trainer") and ended.exit_code != ExitCode.OK:
                return _container_failure(ended, spec)
    return None


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
    limit = spec.resources.memory
    if container != "trainer":
        message = f"{container} needed more memory than its limit, a fixed {HELPER_MEMORY}"
        return Failure(reason="OutOfMemory", message=message)
    size = int(quantity.parse(limit))
    advice = memory_advice.after_the_fact(defaults.training(spec), spec.task, spec.method, size)
    message = f"the trainer needed more memory than its limit of {limit}: {advice}"
    return Failure(reason="OutOfMemory", message=message, field="spec.resources.memory")


_NODE_IS_SHORT = "The node was low on resource"
"""How the kubelet begins when the pod kept within its limits."""


def _evicted(pod: Json, spec: FineTuneJobSpec) -> tuple[Failure, bool]:
    """Too much written ends the job; a node that ran out of something of its own does not."""
    said = str(pod["status"].get("message", "the node evicted the pod")).strip()
    if said.startswith(_NODE_IS_SHORT):
        return Failure(reason="Evicted", message=said), True
    size = spec.resources.ephemeral_storage
    advice = f"raise it ({size}): model, data, checkpoints ({spec.checkpoint.keep_last} are kept) and result share it"
    return Failure(reason="DiskFull", message=f"{said} {advice}", field="spec.resources.ephemeralStorage"), False


def _code_name(code: int) -> str:
    if code not in set(ExitCode):
        return "ContainerFailed"
    return "".join(part.capitalize() for part in ExitCode(code).name.split("_"))


def _ended(pod: Json) -> Iterator[Ended]:
    status = pod.get("status", {})
    for container in (*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])):
        end = container.get("state", {}).get("terminated")
        if end:
            yield Ended(container["name"], end["exitCode"], end.get("reason", ""), end.get("message", ""))
