"""What the administrator decides (Helm values): images, profiles, networks. One frozen object, no I/O."""

from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.bankingmodel import Engine
from banktuner_api.common import ApiModel, Json
from banktuner_api.run_config import Prices


class Images(ApiModel):
    """Full references of every image that the operator puts into pods."""

    operator: str
    proxy: str
    gateway: str
    ui: str
    trainer: str
    vllm: str
    tgi: str


class ImageOverrides(ApiModel):
    """Images that a profile replaces."""

    trainer: str | None = None
    vllm: str | None = None
    tgi: str | None = None


class Profile(ApiModel):
    """A named kind of node. `request_percent`: requests as a share of the limits that users ask for."""

    node_selector: dict[str, str] = {}
    tolerations: list[Json] = []
    runtime_class_name: str | None = None
    scheduler_name: str | None = None
    request_percent: Annotated[int, Field(ge=1, le=100)] = 100
    images: ImageOverrides = ImageOverrides()
    engine_args: list[str] = []
    engine_env: dict[str, str] = {}
    prices: Prices = Prices()


class Peer(ApiModel):
    """An address range that pods may call."""

    cidr: str
    excluded: list[str] = Field(default=[], alias="except")
    ports: list[Annotated[int, Field(ge=1, le=65535)]]


class NetworkSettings(ApiModel):
    """What the generated NetworkPolicies let through besides DNS and the agent API."""

    object_stores: list[Peer] = []
    trackers: list[Peer] = []
    """MLflow and W&B servers, for jobs that name one."""
    identity_providers: list[Peer] = []
    """For gateways with spec.gateway.auth.jwt."""
    conversation_stores: list[Peer] = []
    """For gateways with spec.gateway.conversations.store Redis."""
    vector_stores: list[Peer] = []
    """For gateways and indexing pods with a spec.gateway.knowledge.vectorStore that is a server."""


class Settings(ApiModel):
    """Everything decided outside a custom resource. `agent_ca` is the PEM that pods trust for `agent_url`."""

    images: Images
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    image_pull_secrets: list[str] = []
    default_engine: Engine = Engine.TGI
    profiles: dict[str, Profile] = {}
    network: NetworkSettings = NetworkSettings()
    agent_url: str
    agent_ca: str = ""
    namespace: str
    """Where the operator runs: the agent API's pods and the Lease are there."""
    watch_namespaces: list[str] = []
    """Empty: every namespace."""
    retry_seconds: Annotated[float, Field(gt=0)] = 10.0
    """Delay before the second attempt of a job; doubled for each one after it, at most 360 s."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    resync_seconds: Annotated[float, Field(gt=0)] = 60.0

    def profile(self, name: str | None) -> Profile | None:
        """The profile of that name; without a name `default`, or an empty one where that is not defined."""
        if name is None:
            return self.profiles.get("default", Profile())
        return self.profiles.get(name)
