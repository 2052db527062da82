"""The model that a job starts from, where it is the artifact of another FineTuneJob."""

from dataclasses import dataclass

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
    """`check` says why it cannot be used yet (None: it can). `model` None: from scratch."""

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
        return _refused(f"spec.model.fineTuneJob: the artifact of {name!r} is no whole model ({artifact.served_as})")
    secret = other["spec"]["output"].get("secretRef", {}).get("name")
    return Base(artifact_reference(artifact, other), secret)


def _refused(message: str) -> Base:
    return Base(check=false("ModelNotUsable", message), accepted=false("ModelNotUsable", message))


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
