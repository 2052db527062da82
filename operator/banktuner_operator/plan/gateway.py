"""What a BankingModel's gateway is told: its settings, the classifier that it waits for, the bank's documents."""

from collections.abc import Mapping

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.bankingmodel import AdapterState, BankingModelSpec
from banktuner_api.common import Json
from banktuner_api.finetunejob_spec import Task
from banktuner_api.finetunejob_status import ArtifactStatus, ServedAs
from banktuner_api.gateway import Knowledge, Privacy, Scope
from banktuner_api.run_config import ObjectRef
from banktuner_api.serving import GatewayConfig, RetrievalConfig
from banktuner_operator.manifests.gateway import GATEWAY_ANNOTATION, STAGE_GATEWAY
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.plan.base_model import artifact_reference, artifact_wait
from banktuner_operator.plan.conditions import false
from banktuner_operator.plan.run_config import prefix
from banktuner_operator.plan.serving import Resolved, evaluation_refusal
from banktuner_operator.plan.types import Check

FIELD = "spec.gateway.scope.classifier.fineTuneJob"
LARGEST_SETTINGS = 200_000
"""Bytes of gateway.json and retrieval.json: Kubernetes takes 262,144 of all annotations of an object."""
INDEX_FOLDER = ".banktuner"
"""Below the documents' folder; readers of documents pass over names that begin with a dot."""


def too_large(files: Mapping[str, str]) -> Check | None:
    """Settings that no pod can be given; None: they fit."""
    size = sum(len(content.encode()) for content in files.values())
    if size <= LARGEST_SETTINGS:
        return None
    message = f"spec.gateway: its settings take {size} bytes, at most {LARGEST_SETTINGS}: name fewer groups in access"
    return false("GatewayTooLarge", message)


def told_before(deployment: Json | None) -> GatewayConfig | None:
    """gateway.json of the live Deployment's pods."""
    template = deployment["spec"]["template"] if deployment else {}
    content = template.get("metadata", {}).get("annotations", {}).get(GATEWAY_ANNOTATION, "")
    try:
        return GatewayConfig.model_validate_json(content)
    except ValidationError:  # of another version, or somebody wrote into it; it is written anew
        return None


def staging_secrets(deployment: Json | None, source: ObjectRef | None) -> set[str]:
    """The Secret that the live Deployment's pods stage `source` with, which no object names any more."""
    containers = deployment["spec"]["template"]["spec"].get("initContainers", []) if deployment else []
    filled = [keys for one in containers if one["name"] == STAGE_GATEWAY for keys in one.get("envFrom", [])]
    secrets = {keys["secretRef"]["name"] for keys in filled}
    return {secret for secret in secrets if source and source.credentials == names.secret_env_prefix(secret)}


def classifier(scope: Scope, jobs: dict[str, Json], before: GatewayConfig | None) -> Resolved:
    """The scope's classifier; empty where none is named."""
    asked = scope.classifier
    if asked is None:
        return Resolved()
    if asked.uri:
        source = ObjectRef(uri=asked.uri, credentials=prefix(asked.secret_ref), digest=asked.digest)
        return Resolved(source, secret=asked.secret_ref.name if asked.secret_ref else None)
    name = asked.fine_tune_job.name if asked.fine_tune_job else ""
    job, carried = jobs.get(name), _carried(name, before)
    if job is None and carried:
        return Resolved(carried, job=name, carried=True)
    waiting = artifact_wait(name, job)
    if job is None or waiting:
        blocked = false("WaitingForClassifier", f"{FIELD}: {waiting.message}") if waiting else None
        return Resolved(blocked=blocked, state=AdapterState.WAITING, job=name)
    artifact = ArtifactStatus.model_validate(job["status"]["artifact"])
    refused = _no_classifier(name, artifact) or evaluation_refusal(name, job)
    if refused:
        return Resolved(blocked=refused, state=AdapterState.FAILED, job=name)
    secret = job["spec"]["output"].get("secretRef", {}).get("name")
    return Resolved(artifact_reference(artifact, job), secret=secret, job=name)


def _carried(name: str, before: GatewayConfig | None) -> ObjectRef | None:
    """Where the classifier from this job was found, so that it outlives the job's deletion."""
    asked = before.scope.classifier if before else None
    same = asked is not None and asked.fine_tune_job is not None and asked.fine_tune_job.name == name
    return before.classifier if before and same else None


def _no_classifier(name: str, artifact: ArtifactStatus) -> Check | None:
    if artifact.task == Task.CLASSIFICATION and artifact.served_as == ServedAs.CLASSIFIER:
        return None
    what = f"task {artifact.task}, served as {artifact.served_as}"
    message = f"{FIELD}: the artifact of {name!r} is no classifier ({what}): name a job with task Classification"
    return false("ClassifierNotUsable", message)


def name_model(privacy: Privacy) -> ObjectRef | None:
    """Where the model of people's names is."""
    asked = privacy.names
    return ObjectRef(uri=asked.uri, credentials=prefix(asked.secret_ref)) if asked else None


def retrieval(knowledge: Knowledge | None, owner: Owner) -> RetrievalConfig | None:
    """What the indexing Job and the gateway's search are told of the documents."""
    if knowledge is None:
        return None
    documents, store = knowledge.documents, knowledge.vector_store
    own = f"{INDEX_FOLDER}/{owner.namespace}/{owner.name}/{store.collection}"
    credentials = prefix(documents.secret_ref)
    return RetrievalConfig(
        documents=ObjectRef(uri=documents.uri, credentials=credentials),
        embedding=ObjectRef(uri=knowledge.embedding.uri, credentials=prefix(knowledge.embedding.secret_ref)),
        index=ObjectRef(uri=f"{documents.uri.rstrip('/')}/{own}", credentials=credentials),
        vector_store=store,
        api_key_variable=names.VECTOR_STORE_KEY_VARIABLE if store.secret_ref else None,
        top_k=knowledge.top_k,
    )


def secret_fields(spec: BankingModelSpec) -> list[tuple[str, str]]:
    """(field, Secret name) of every Secret that the gateway's part of a spec names."""
    asked = spec.gateway
    classified, knowledge = asked.scope.classifier, asked.knowledge
    references = {
        "auth.tokensSecretRef": asked.auth.tokens_secret_ref,
        "scope.classifier.secretRef": classified.secret_ref if classified else None,
        "privacy.names.secretRef": asked.privacy.names.secret_ref if asked.privacy.names else None,
        "audit.secretRef": asked.audit.secret_ref,
        "audit.keySecretRef": asked.audit.key_secret_ref,
        "conversations.redisSecretRef": asked.conversations.redis_secret_ref,
        "knowledge.documents.secretRef": knowledge.documents.secret_ref if knowledge else None,
        "knowledge.embedding.secretRef": knowledge.embedding.secret_ref if knowledge else None,
        "knowledge.vectorStore.secretRef": knowledge.vector_store.secret_ref if knowledge else None,
    }
    return [(f"spec.gateway.{field}", reference.name) for field, reference in references.items() if reference]
