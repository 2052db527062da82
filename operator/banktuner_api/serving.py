"""What serving pods are told (desired.json, gateway.json) and what they tell."""

from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.bankingmodel import Engine, InstanceAdapter
from banktuner_api.common import ApiModel, Digest
from banktuner_api.gateway import AccessRule, Audit, Conversations, Jwt, Privacy, RateLimit, Scope
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


class DesiredState(ApiModel):
    """What every engine pod of a BankingModel is to serve. `revision` changes with any of it."""

    schema_version: Literal[1] = 1
    revision: str
    namespace: str
    name: str
    engine: Engine
    model: ObjectRef
    adapters: list[DesiredAdapter] = []
    default_adapter: str | None = None
    max_rank: int
    agent_url: str


class Observed(ApiModel):
    """What one engine pod proved."""

    pod: str
    adapters: Annotated[list[InstanceAdapter], Field(max_length=64)] = []


class GatewayConfig(ApiModel):
    """gateway.json. `engine_url` is the engine's Service; `max_tokens` bounds an answer, `request_timeout_seconds` the
    time the engine may take for it."""

    schema_version: Literal[1] = 1
    namespace: str
    name: str
    engine_url: str
    agent_url: str
    max_tokens: Annotated[int, Field(ge=1)]
    request_timeout_seconds: Annotated[float, Field(gt=0)] = 120
    jwt: Jwt | None = None
    """None: hashed tokens."""
    access: list[AccessRule] = []
    scope: Scope | None = None
    privacy: Privacy = Privacy()
    audit: Audit = Audit()
    conversations: Conversations = Conversations()
    rate_limit: RateLimit = RateLimit()
