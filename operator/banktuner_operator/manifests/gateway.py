"""Deployment of the gateway: what of its settings and of the Secrets that it names each container gets."""

from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.bankingmodel import Gateway
from banktuner_api.common import Json
from banktuner_api.gateway import Knowledge
from banktuner_api.serving import GatewayConfig, RetrievalConfig
from banktuner_operator.manifests import configmap, pod, security
from banktuner_operator.manifests.deployment import Template, deployment
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.manifests.pod import SecretKey
from banktuner_operator.settings import Profile, Settings

GATEWAY_ANNOTATION = f"{names.GROUP}/{names.GATEWAY_CONFIG_KEY}"
RETRIEVAL_ANNOTATION = f"{names.GROUP}/{names.RETRIEVAL_KEY}"
"""On pod templates: the whole of a file, so that a pod keeps the settings that it was made and staged for."""
STAGE_GATEWAY = "stage-gateway"
GRACE_SECONDS = 35
MEMORY = "512Mi"
MEMORY_WITH_MODELS = "2Gi"
"""Limit where a classifier, a model of names or a sentence encoder is in memory: a few hundred MB of ONNX each."""
STAGED_SIZE = "4Gi"
_TOKENS, _SECRETS, _AUDIT = "tokens", "secrets", "audit"


@dataclass(frozen=True)
class GatewaySetup:
    """What decides the gateway's pods. `staging_secrets`: of the classifier and the model of names."""

    owner: Owner
    asked: Gateway
    config: GatewayConfig
    retrieval: RetrievalConfig | None
    profile: Profile
    staging_secrets: tuple[str, ...]

    @property
    def staged(self) -> bool:
        """Whether an init container brings a classifier or a model of names."""
        return self.config.classifier is not None or self.config.name_model is not None

    @property
    def models(self) -> bool:
        """Whether a classifier, a model of names or an encoder runs in the pods."""
        return self.staged or self.retrieval is not None

    @property
    def files(self) -> dict[str, str]:
        """The settings by annotation."""
        own = {GATEWAY_ANNOTATION: configmap.pretty(self.config.to_json())}
        if self.retrieval:
            own[RETRIEVAL_ANNOTATION] = configmap.pretty(self.retrieval.to_json())
        return own


def gateway_deployment(setup: GatewaySetup, settings: Settings) -> Json:
    """Gateway pods. They run anywhere: the profile is about the engine's hardware."""
    spec: Json = {
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_gateway(setup, settings)],
        "volumes": _volumes(setup),
    }
    if setup.staged:
        spec["initContainers"] = [_stage(setup, settings)]
    template = Template("gateway", spec, setup.files, Profile())
    return deployment(setup.owner, template, setup.asked.replicas, settings)


def vector_store_key(knowledge: Knowledge | None) -> dict[str, SecretKey]:
    """The environment variable with the vector store's key, where the spec names one."""
    reference = knowledge.vector_store.secret_ref if knowledge else None
    return {names.VECTOR_STORE_KEY_VARIABLE: SecretKey(reference.name, "apiKey")} if reference else {}


def _gateway(setup: GatewaySetup, settings: Settings) -> Json:
    return pod.Container(
        name="gateway",
        image=settings.images.gateway,
        command=["python", "-m", "banktuner_gateway"],
        resources=pod.helper_resources(setup.profile, MEMORY_WITH_MODELS if setup.models else MEMORY),
        env={"HOME": "/tmp"},
        secrets=_object_store_secrets(setup.asked),
        keys=vector_store_key(setup.asked.knowledge),
        mounts=_mounts(setup),
        extra=_life(),
    ).build(settings)


def _object_store_secrets(asked: Gateway) -> list[str]:
    """Of the audit records' folder, of the documents' folder, which has the index too, and of the encoder."""
    knowledge = asked.knowledge
    documents = (knowledge.documents.secret_ref, knowledge.embedding.secret_ref) if knowledge else ()
    return sorted({reference.name for reference in (asked.audit.secret_ref, *documents) if reference})


def _single_keys(asked: Gateway) -> list[Json]:
    """Sources of the volume with single keys of Secrets; the kubelet brings a changed one to running pods."""
    wanted = {"audit/key": asked.audit.key_secret_ref, "redis/url": asked.conversations.redis_secret_ref}
    return [
        {"secret": {"name": reference.name, "items": [{"key": place.rpartition("/")[2], "path": place}]}}
        for place, reference in wanted.items()
        if reference
    ]


def _life() -> Json:
    port = names.GATEWAY_PORT
    ready = {"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 5, "timeoutSeconds": 5}
    alive = {"httpGet": {"path": "/healthz", "port": port}, "timeoutSeconds": 5}
    return {
        "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}],
        # It reads its models and brings its encoder first, which takes minutes on a busy node.
        "startupProbe": alive | {"periodSeconds": 2, "failureThreshold": 300},
        "readinessProbe": ready,
        "livenessProbe": alive | {"periodSeconds": 20},
        # New questions still come until every node knows that this pod goes.
        "lifecycle": {"preStop": {"sleep": {"seconds": 4}}},
    }


def _stage(setup: GatewaySetup, settings: Settings) -> Json:
    return pod.Container(
        name=STAGE_GATEWAY,
        image=settings.images.operator,
        command=["python", "-m", "banktuner_stager", STAGE_GATEWAY],
        resources=pod.helper_resources(setup.profile),
        env={"HOME": "/tmp"},
        secrets=list(setup.staging_secrets),
        mounts=[pod.WORK, pod.CONFIG],
    ).build(settings)


def _mounts(setup: GatewaySetup) -> list[Json]:
    asked = setup.asked
    mounts = [pod.CONFIG, security.token_mount()]
    if asked.auth.tokens_secret_ref:
        mounts.append({"name": _TOKENS, "mountPath": str(names.TOKENS_DIR), "readOnly": True})
    if _single_keys(asked):
        mounts.append({"name": _SECRETS, "mountPath": str(names.SECRETS_DIR), "readOnly": True})
    if asked.audit.claim_name:
        mounts.append({"name": _AUDIT, "mountPath": str(names.AUDIT_DIR)})
    if setup.models:
        # The search brings its encoder itself; without it nothing is written here.
        mounts.append(pod.WORK if setup.retrieval else pod.WORK | {"readOnly": True})
    return mounts


def _volumes(setup: GatewaySetup) -> list[Json]:
    asked = setup.asked
    shared = configmap.serving_name(setup.owner)
    own = {annotation: annotation.removeprefix(f"{names.GROUP}/") for annotation in setup.files}
    volumes = [
        pod.empty_dir("tmp", "256Mi"),
        pod.projected_config(own, shared, [names.DESIRED_KEY, names.CA_KEY]),
        security.token_volume(),
    ]
    if asked.auth.tokens_secret_ref:
        secret: Json = {"secretName": asked.auth.tokens_secret_ref.name, "defaultMode": 0o440}
        volumes.append({"name": _TOKENS, "secret": secret})
    keys = _single_keys(asked)
    if keys:
        volumes.append({"name": _SECRETS, "projected": {"defaultMode": 0o440, "sources": keys}})
    if asked.audit.claim_name:
        volumes.append({"name": _AUDIT, "persistentVolumeClaim": {"claimName": asked.audit.claim_name}})
    if setup.models:
        volumes.append(pod.empty_dir("work", STAGED_SIZE))
    return volumes
