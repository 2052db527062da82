"""What serving pods are told (desired.json, gateway.json) and what they tell."""

from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.bankingmodel import Engine, InstanceAdapter
from banktuner_api.common import ApiModel, Digest
from banktuner_api.gateway import AccessRule, Audit, Conversations, Jwt, Privacy, RateLimit, Scope, VectorStore
from banktuner_api.run_config import ObjectRef

MODEL_HEADER = "X-Banktuner-Model"
"""Beside each question the gateway names the engine's model in this header too: a proxy before an engine that answers
unknown adapters from the base model (TGI) can then refuse, without reading the body, what its pod has not loaded."""


class DesiredAdapter(ApiModel):
    """One adapter version. `served_name` = `names.served_name(name, digest)`; `source.digest` is always set."""

    name: str
    served_name: str
    digest: Digest
    source: ObjectRef


class CanaryAdapter(DesiredAdapter):
    """The version that is to follow the one in `adapters`. `percent` of the conversations ask it; 0: none yet."""

    percent: Annotated[int, Field(ge=0, le=99)]


class DesiredState(ApiModel):
    """What every engine pod of a BankingModel is to serve. `revision` changes with any of it.

    `adapters`: the versions that answer; `canaries`: versions of some of them that are tried beside them.
    """

    schema_version: Literal[1] = 1
    revision: str
    namespace: str
    name: str
    engine: Engine
    model: ObjectRef
    adapters: list[DesiredAdapter] = []
    canaries: list[CanaryAdapter] = []
    default_adapter: str | None = None
    max_rank: int
    agent_url: str

    @property
    def versions(self) -> list[DesiredAdapter]:
        """Everything that the engine is to have loaded."""
        return [*self.adapters, *self.canaries]


class Observed(ApiModel):
    """What one engine pod proved."""

    pod: str
    adapters: Annotated[list[InstanceAdapter], Field(max_length=64)] = []


class RetrievalConfig(ApiModel):
    """retrieval.json: what the indexing Job and the gateway's search are told of the bank's documents.

    `documents`, `embedding`: folders. `index`: folder for the pointer and the FAISS files, written by the Job only.
    `api_key_variable` names the environment variable with the vector store's key.
    """

    schema_version: Literal[1] = 1
    documents: ObjectRef
    embedding: ObjectRef
    index: ObjectRef
    vector_store: VectorStore = VectorStore()
    api_key_variable: str | None = None
    top_k: Annotated[int, Field(ge=1, le=20)] = 4


class GatewayConfig(ApiModel):
    """gateway.json. `engine_url` is the engine's Service; `max_tokens` bounds an answer, `request_timeout_seconds` the
    time the engine may take for it, `hold_seconds` how long a question waits for an engine that is not there.

    Without `jwt`, callers have hashed tokens. `classifier`: the artifact whose `onnx/` folder was verified into
    `names.CLASSIFIER_DIR`; `scope.classifier` is how the spec names it. `name_model`: the folder brought into
    `names.NAME_MODEL_DIR`, of `privacy.names`. Secrets are named, never told: what is in them
    is mounted, or in the environment.
    """

    schema_version: Literal[1] = 1
    namespace: str
    name: str
    engine_url: str
    agent_url: str
    max_tokens: Annotated[int, Field(ge=1)]
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 120
    hold_seconds: Annotated[float, Field(ge=0, le=600)] = 30
    jwt: Jwt | None = None
    access: list[AccessRule] = []
    scope: Scope = Scope()
    classifier: ObjectRef | None = None
    name_model: ObjectRef | None = None
    privacy: Privacy = Privacy()
    audit: Audit = Audit()
    conversations: Conversations = Conversations()
    rate_limit: RateLimit = RateLimit()
