"""BankingModel: a base model served with adapters behind a gateway."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from banktuner_api.common import (
    DNS_LABEL,
    URI_RULE,
    ApiModel,
    Conditions,
    Digest,
    LocalRef,
    Name,
    Precision,
    Resources,
    SecretRef,
    Timestamp,
    Uri,
    cel,
    map_list,
)
from banktuner_api.gateway import (
    AccessRule,
    Audit,
    Conversations,
    Jwt,
    Knowledge,
    Privacy,
    RateLimit,
    Scope,
)

AdapterName = Annotated[str, Field(min_length=1, max_length=40, pattern=DNS_LABEL)]


class Engine(StrEnum):
    """The server that generates."""

    TGI = "TGI"
    VLLM = "VLLM"


class AdapterState(StrEnum):
    """Where an adapter is on its way to serving."""

    WAITING = "Waiting"
    LOADING = "Loading"
    READY = "Ready"
    FAILED = "Failed"


class RolloutState(StrEnum):
    """Where an adapter's new version is on its way to all conversations."""

    WAITING = "Waiting"
    LOADING = "Loading"
    BAKING = "Baking"
    ROLLED_BACK = "RolledBack"


class ServedModel(ApiModel):
    """The base model: exactly one of uri, fineTuneJob."""

    model_config = cel(
        ("has(self.uri) != has(self.fineTuneJob)", "exactly one of uri and fineTuneJob is needed"), URI_RULE
    )

    uri: Uri | None = None
    """Folder with config.json, tokenizer files and .safetensors."""
    secret_ref: SecretRef | None = None
    fine_tune_job: LocalRef | None = None
    """The model that a job of this namespace published; waited for."""


class EngineOptions(ApiModel):
    """Settings that both engines understand; lengths in tokens."""

    max_model_length: Annotated[int, Field(ge=16, le=1_048_576)] | None = None
    """Tokens of prompt and answer together."""
    quantization: Literal["None", "BitsAndBytes", "FP8", "AWQ", "GPTQ"] = "None"
    dtype: Precision = "Auto"
    gpu_memory_percent: Annotated[int, Field(ge=10, le=99)] = 90
    """Share of the GPU memory that the engine may take."""


class LoraLimits(ApiModel):
    """What the engine sets aside for adapters."""

    max_rank: Literal[8, 16, 32, 64, 128, 256] = 64
    """An adapter of a higher rank is refused."""
    max_adapters: Annotated[int, Field(ge=1, le=64)] = 8
    """Adapters in GPU memory at a time."""


class Adapter(ApiModel):
    """One adapter: a FineTuneJob's artifact, or a uri pinned by digest."""

    model_config = cel(
        ("has(self.uri) != has(self.fineTuneJob)", "exactly one of uri and fineTuneJob is needed"),
        ("has(self.uri) == has(self.digest)", "uri and digest go together"),
        URI_RULE,
    )

    name: AdapterName
    """Name by which people ask for it."""
    fine_tune_job: LocalRef | None = None
    """The adapter that a job of this namespace published; waited for."""
    uri: Uri | None = None
    """Folder of an artifact."""
    digest: Digest | None = None
    """Digest of its manifest.json."""
    secret_ref: SecretRef | None = None


class Rollout(ApiModel):
    """How an adapter's new version follows the one that answers. Without it: at once, as soon as it is loaded."""

    canary_percent: Annotated[int, Field(ge=1, le=99)] = 10
    """Share of the conversations that the new version answers at first."""
    bake_seconds: Annotated[int, Field(ge=1, le=604_800)] = 300
    """How long it does so, counted while every engine pod has it, before it answers them all."""


class Auth(ApiModel):
    """Who may ask: exactly one of tokensSecretRef, jwt."""

    model_config = cel(
        (
            "has(self.tokensSecretRef) != has(self.jwt)",
            "auth: exactly one of tokensSecretRef and jwt is needed",
        )
    )

    tokens_secret_ref: SecretRef | None = None
    """Bearer tokens: each key of the Secret is a caller, its value the SHA-256 of the token in hex. A change needs no
    restart."""
    jwt: Jwt | None = None


class Gateway(ApiModel):
    """The only way in."""

    replicas: Annotated[int, Field(ge=1, le=64)] = 1
    hold_seconds: Annotated[int, Field(ge=0, le=600)] = 30
    """How long a question waits for an engine that is not there, or has not loaded the adapter, before it fails."""
    auth: Auth
    access: Annotated[list[AccessRule], Field(max_length=64)] = []
    scope: Scope = Scope()
    privacy: Privacy = Privacy()
    audit: Audit = Audit()
    conversations: Conversations = Conversations()
    rate_limit: RateLimit = RateLimit()
    knowledge: Knowledge | None = None


class Ui(ApiModel):
    """The chat page, a client of the gateway."""

    enabled: bool = False


class BankingModelSpec(ApiModel):
    """What to serve and how."""

    model_config = cel(
        ("self.model == oldSelf.model", "model is immutable"),
        (
            "!has(self.defaultAdapter) || (has(self.adapters)"
            " && self.adapters.exists(adapter, adapter.name == self.defaultAdapter))",
            "defaultAdapter must be the name of one of the adapters",
        ),
        (
            "!has(self.gateway.access) || self.gateway.access.all(rule, has(self.adapters)"
            " && self.adapters.exists(adapter, adapter.name == rule.adapter))",
            "gateway.access: every rule's adapter must be the name of one of the adapters",
        ),
    )

    model: ServedModel
    engine: Engine | None = None
    """Default: the chart's defaultEngine."""
    engine_options: EngineOptions = EngineOptions()
    lora: LoraLimits = LoraLimits()
    adapters: Annotated[list[Adapter], Field(max_length=64, json_schema_extra=map_list("name"))] = []
    rollout: Rollout | None = None
    default_adapter: AdapterName | None = None
    """Answers where a question names no adapter; without it the base model does."""
    replicas: Annotated[int, Field(ge=0, le=64)] = 1
    """Engine pods."""
    resources: Resources = Resources()
    profile: Name | None = None
    """Name of a kind of node in the chart's values."""
    gateway: Gateway
    ui: Ui = Ui()


class AdapterRollout(ApiModel):
    """A version that is to follow the one that answers, or that was taken back. Without `digest`: not known yet."""

    name: AdapterName
    digest: Digest | None = None
    state: RolloutState
    reason: Annotated[str, Field(max_length=63)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""
    since: Timestamp | None = None
    """Since when every engine pod has it."""


class AdapterStatus(ApiModel):
    """One adapter over all pods: of the version that answers."""

    name: AdapterName
    digest: Digest | None = None
    state: AdapterState
    reason: Annotated[str, Field(max_length=63)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""
    ready_replicas: Annotated[int, Field(ge=0)] = 0
    desired_replicas: Annotated[int, Field(ge=0)] = 0
    last_load_seconds: Annotated[float, Field(ge=0)] | None = None


class InstanceAdapter(ApiModel):
    """One version of an adapter in one pod, as the pod itself proved it."""

    name: AdapterName
    digest: Digest
    state: AdapterState
    reason: Annotated[str, Field(max_length=63)] = ""
    message: Annotated[str, Field(max_length=1024)] = ""
    load_seconds: Annotated[float, Field(ge=0)] | None = None


class Instance(ApiModel):
    """One engine pod and its adapters; written by the agent API with one field manager a pod."""

    pod: Annotated[str, Field(max_length=253)]
    adapters: Annotated[list[InstanceAdapter], Field(max_length=64, json_schema_extra=map_list("name", "digest"))] = []


class BankingModelStatus(ApiModel):
    """What is so; `adaptersReady` is the printed "2/2"."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    conditions: Conditions = []
    url: Annotated[str, Field(max_length=512)] | None = None
    ui_url: Annotated[str, Field(max_length=512)] | None = None
    engine: Engine | None = None
    replicas: Annotated[int, Field(ge=0)] | None = None
    ready_replicas: Annotated[int, Field(ge=0)] | None = None
    selector: Annotated[str, Field(max_length=512)] | None = None
    adapters_ready: Annotated[str, Field(max_length=16)] | None = None
    adapters: Annotated[list[AdapterStatus], Field(max_length=64, json_schema_extra=map_list("name"))] = []
    rollouts: Annotated[list[AdapterRollout], Field(max_length=64, json_schema_extra=map_list("name"))] = []
    """Adapters whose wanted version does not answer, or answers some of the conversations only."""
    instances: Annotated[list[Instance], Field(max_length=64, json_schema_extra=map_list("pod"))] = []


class BankingModel(ApiModel):
    """Serves a base model with adapters on TGI or vLLM behind a gateway."""

    KIND: ClassVar = "BankingModel"
    PLURAL: ClassVar = "bankingmodels"
    SHORT_NAME: ClassVar = "bm"

    spec: BankingModelSpec
    status: BankingModelStatus | None = None
