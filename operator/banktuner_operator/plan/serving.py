"""What a BankingModel is to serve: its model and adapters, resolved to places in object storage and pinned."""

import json
from dataclasses import dataclass, field

from banktuner_api import names
from banktuner_api.bankingmodel import Adapter, AdapterRollout, AdapterState, BankingModelSpec
from banktuner_api.common import Digest, Json
from banktuner_api.finetunejob_status import ArtifactStatus, ServedAs
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import CanaryAdapter, DesiredAdapter, DesiredState
from banktuner_operator.plan.base_model import artifact_reference, artifact_wait
from banktuner_operator.plan.conditions import false, find
from banktuner_operator.plan.run_config import prefix
from banktuner_operator.plan.types import Check

SOURCES_ANNOTATION = f"{names.GROUP}/sources"
"""On the serving ConfigMap: which FineTuneJob each part came from, so that it outlives the job's deletion."""


@dataclass(frozen=True)
class Resolved:
    """One part of what is to be served. `blocked` says why it is not served; then `state` is Waiting or Failed."""

    source: ObjectRef | None = None
    blocked: Check | None = None
    state: AdapterState = AdapterState.LOADING
    secret: str | None = None
    job: str | None = None
    model_digest: Digest | None = None
    carried: bool = False


@dataclass(frozen=True)
class Rolling:
    """An adapter whose wanted version does not answer all conversations. `stable` does; `canary` is tried beside it."""

    stable: DesiredAdapter
    status: AdapterRollout
    canary: CanaryAdapter | None = None


@dataclass(frozen=True)
class Before:
    """What was decided earlier, read from the live ConfigMap."""

    state: DesiredState | None = None
    sources: Json = field(default_factory=dict)

    @classmethod
    def of(cls, config_map: Json | None) -> "Before":
        """Read a live serving ConfigMap."""
        if config_map is None or names.DESIRED_KEY not in config_map.get("data", {}):
            return cls()
        annotations = config_map["metadata"].get("annotations", {})
        try:
            state = DesiredState.model_validate_json(config_map["data"][names.DESIRED_KEY])
            sources = json.loads(annotations.get(SOURCES_ANNOTATION, "{}"))
        except ValueError:  # somebody wrote into it; it is written anew
            return cls()
        return cls(state, sources if isinstance(sources, dict) else {})

    def adapter(self, name: str, job: str) -> ObjectRef | None:
        """Where an adapter from this job was found earlier."""
        if self.state is None:
            return None
        for part, entries in (("canaries", self.state.canaries), ("adapters", self.state.adapters)):
            if self.sources.get(part, {}).get(name) == job:
                return next((entry.source for entry in entries if entry.name == name), None)
        return None

    def model(self, job: str) -> ObjectRef | None:
        """Where the model from this job was found earlier."""
        return self.state.model if self.state and self.sources.get("model") == job else None


def model(spec: BankingModelSpec, jobs: dict[str, Json], before: Before) -> Resolved:
    """The base model."""
    if spec.model.uri:
        reference = spec.model.secret_ref
        source = ObjectRef(uri=spec.model.uri, credentials=prefix(reference))
        return Resolved(source, secret=reference.name if reference else None)
    name = spec.model.fine_tune_job.name if spec.model.fine_tune_job else ""
    job, carried = jobs.get(name), before.model(name)
    if job is None and carried:
        return Resolved(carried, job=name, carried=True)
    waiting = artifact_wait(name, job)
    if job is None or waiting:
        return Resolved(blocked=waiting, state=AdapterState.WAITING, job=name)
    artifact = ArtifactStatus.model_validate(job["status"]["artifact"])
    refused = evaluation_refusal(name, job)
    if artifact.served_as != ServedAs.MERGED:
        message = f"spec.model.fineTuneJob: the artifact of {name!r} cannot be served as a model"
        refused = false("ModelNotUsable", f"{message} ({artifact.served_as})")
    if refused:
        return Resolved(blocked=refused, state=AdapterState.FAILED, job=name)
    secret = job["spec"]["output"].get("secretRef", {}).get("name")
    return Resolved(artifact_reference(artifact, job), secret=secret, job=name, model_digest=artifact.model_digest)


def adapter(entry: Adapter, spec: BankingModelSpec, jobs: dict[str, Json], base: Resolved, before: Before) -> Resolved:
    """One adapter."""
    if entry.uri:
        source = ObjectRef(uri=entry.uri, credentials=prefix(entry.secret_ref), digest=entry.digest)
        return Resolved(source, secret=entry.secret_ref.name if entry.secret_ref else None)
    name = entry.fine_tune_job.name if entry.fine_tune_job else ""
    job, carried = jobs.get(name), before.adapter(entry.name, name)
    if job is None and carried:
        return Resolved(carried, job=name, carried=True)
    waiting = artifact_wait(name, job)
    if job is None or waiting:
        secret = job["spec"]["output"].get("secretRef", {}).get("name") if job else None
        return Resolved(blocked=_renamed(waiting), state=AdapterState.WAITING, job=name, secret=secret)
    artifact = ArtifactStatus.model_validate(job["status"]["artifact"])
    secret = job["spec"]["output"].get("secretRef", {}).get("name")
    refused = evaluation_refusal(name, job) or _fits(name, artifact, spec, base)
    if refused:
        return Resolved(blocked=refused, state=AdapterState.FAILED, job=name, secret=secret)
    return Resolved(artifact_reference(artifact, job), secret=secret, job=name)


def _renamed(waiting: Check | None) -> Check | None:
    return false("WaitingForFineTuneJob", waiting.message) if waiting else None


def evaluation_refusal(name: str, job: Json) -> Check | None:
    """Why the result of a FineTuneJob must not serve; None: it passed its evaluation."""
    passed = find(job, "EvaluationPassed")
    if passed and passed["status"] == "True":
        return None
    said = passed.get("message", "") if passed else "it was not evaluated"
    return false("EvaluationNotPassed", f"FineTuneJob {name!r} did not pass its evaluation: {said}")


_UNSERVED = {
    ServedAs.MERGED: "method {} left a whole model: name it in spec.model.fineTuneJob of a BankingModel of its own",
    ServedAs.CLASSIFIER: "a classifier gives no answers: it is no adapter",
    ServedAs.NOT_SERVABLE: "no engine applies what method {} learns: tune with LoRA or QLoRA to serve it as an adapter",
}


def _fits(name: str, artifact: ArtifactStatus, spec: BankingModelSpec, base: Resolved) -> Check | None:
    if artifact.served_as != ServedAs.ADAPTER:
        return false("NotServable", f"FineTuneJob {name!r}: {_UNSERVED[artifact.served_as].format(artifact.method)}")
    if artifact.rank and artifact.rank > spec.lora.max_rank:
        return false("RankTooLarge", f"rank {artifact.rank} is above spec.lora.maxRank ({spec.lora.max_rank})")
    trained_on = artifact.base_model_digest
    if base.model_digest and trained_on and trained_on != base.model_digest:
        message = f"FineTuneJob {name!r} was trained on another model ({trained_on}) than spec.model"
        return false("BaseModelMismatch", message)
    return None


def desired_adapter(name: str, source: ObjectRef) -> DesiredAdapter:
    """An adapter as the pods are told. `source.digest` must be set."""
    digest = source.digest or ""
    return DesiredAdapter(name=name, served_name=names.served_name(name, digest), digest=digest, source=source)
