"""Artifacts of other FineTuneJobs that a job needs: the model it starts from, and the one it is compared with."""

from dataclasses import dataclass, replace

from banktuner_api.common import Json
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.finetunejob_status import ArtifactStatus, ServedAs
from banktuner_api.run_config import ObjectRef
from banktuner_operator.plan.conditions import false, find, is_true, true
from banktuner_operator.plan.run_config import prefix
from banktuner_operator.plan.types import Check

ACCEPTED = true("Accepted")


@dataclass(frozen=True)
class Base:
    """What another job left. `check` says why it cannot be used yet (None: it can). `model` None: nothing is named."""

    model: ObjectRef | None = None
    secret: str | None = None
    check: Check | None = None
    accepted: Check = ACCEPTED


def find_base(spec: FineTuneJobSpec, other: Json | None) -> Base:
    """The base model of a job; `other` is the FineTuneJob that spec.model.fineTuneJob names, if it exists."""
    source = spec.model
    if source.uri:
        return Base(ObjectRef(uri=source.uri, credentials=prefix(source.secret_ref)))
    if source.fine_tune_job is None:
        return Base()
    name = source.fine_tune_job.name
    waiting = artifact_wait(name, other)
    if other is None or waiting:
        return Base(check=waiting)
    artifact = ArtifactStatus.model_validate(other["status"]["artifact"])
    if artifact.served_as != ServedAs.MERGED:
        message = f"spec.model.fineTuneJob: the artifact of {name!r} is no whole model ({artifact.served_as})"
        return _refused("ModelNotUsable", message)
    return _usable(artifact, other)


def find_promoted(spec: FineTuneJobSpec, other: Json | None) -> Base:
    """What serves now; `other` is the FineTuneJob that spec.evaluation.promoted names, if it exists."""
    promoted = spec.evaluation.promoted if spec.evaluation else None
    if promoted is None:
        return Base()
    waiting = artifact_wait(promoted.name, other)
    if other is None or waiting:
        return Base(check=replace(waiting, reason="WaitingForPromoted") if waiting else None)
    artifact = ArtifactStatus.model_validate(other["status"]["artifact"])
    if artifact.task != spec.task:
        message = f"spec.evaluation.promoted: {promoted.name!r} learned another task ({artifact.task})"
        return _refused("PromotedNotComparable", message)
    return _usable(artifact, other)


def _usable(artifact: ArtifactStatus, other: Json) -> Base:
    secret = other["spec"]["output"].get("secretRef", {}).get("name")
    return Base(artifact_reference(artifact, other), secret)


def _refused(reason: str, message: str) -> Base:
    return Base(check=false(reason, message), accepted=false(reason, message))


def artifact_wait(name: str, other: Json | None) -> Check | None:
    """Why the artifact of a FineTuneJob cannot be used yet; None: it is committed."""
    if other is None:
        return false("WaitingForModel", f"FineTuneJob {name!r} does not exist in this namespace")
    failed = find(other, "Failed")
    if failed and failed["status"] == "True":
        said = f"{failed['reason']}: {failed.get('message', '')}"
        return false("WaitingForModel", f"FineTuneJob {name!r} failed ({said}); delete it and create it mended")
    if not is_true(other, "ArtifactReady") or not other["status"].get("artifact"):
        return false("WaitingForModel", f"FineTuneJob {name!r} has not committed its artifact yet")
    return None


def artifact_reference(artifact: ArtifactStatus, other: Json) -> ObjectRef:
    """Where the artifact of a FineTuneJob lies, pinned by digest, with the credentials of its output."""
    reference = FineTuneJobSpec.model_validate(other["spec"]).output.secret_ref
    return ObjectRef(uri=artifact.uri, credentials=prefix(reference), digest=artifact.digest)
