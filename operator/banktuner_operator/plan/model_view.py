"""A BankingModel under decision, as status and rollouts look at it: its Deployments, its pods, what they said."""

from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.bankingmodel import BankingModelSpec, Engine
from banktuner_api.common import Json
from banktuner_api.handshake import Failure
from banktuner_api.serving import DesiredState
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.plan import changes
from banktuner_operator.plan.base_model import ACCEPTED
from banktuner_operator.plan.serving import Resolved, Rolling
from banktuner_operator.plan.types import Check, ModelSnapshot

NOTHING = Resolved()


@dataclass(frozen=True)
class ModelView:
    """What status is made from. `desired` None: nothing is told to the pods now."""

    snapshot: ModelSnapshot
    now: datetime
    spec: BankingModelSpec | None = None
    engine: Engine | None = None
    accepted: Check = ACCEPTED
    model: Resolved = NOTHING
    adapters: dict[str, Resolved] = field(default_factory=dict)
    rollouts: dict[str, Rolling] = field(default_factory=dict)
    classifier: Resolved = NOTHING
    knowledge: Check | None = None
    desired: DesiredState | None = None

    @property
    def owner(self) -> Owner:
        """The BankingModel."""
        return Owner.of(self.snapshot.owner)

    @property
    def status(self) -> Json:
        """What was said of the BankingModel before."""
        before: Json = self.snapshot.owner.get("status", {})
        return before

    def deployment(self, component: str) -> Json:
        """status of a live Deployment; empty where there is none."""
        live = changes.by_name(self.snapshot.children).get(("Deployment", self.owner.child(component)))
        status: Json = (live or {}).get("status", {})
        return status

    def pods(self, component: str) -> list[Json]:
        """Pods of one component that are not on their way out."""
        return [
            pod
            for pod in self.snapshot.pods
            if pod["metadata"]["labels"].get(names.LABEL_COMPONENT) == component
            and not pod["metadata"].get("deletionTimestamp")
        ]

    def told(self, name: str, digest: str) -> list[Json]:
        """What live pods say of exactly this version of an adapter."""
        alive = {pod["metadata"]["name"] for pod in self.pods("engine")}
        return [
            entry
            for instance in self.status.get("instances", [])
            if instance["pod"] in alive
            for entry in instance.get("adapters", [])
            if entry["name"] == name and entry["digest"] == digest
        ]


def staged(pod: Json, step: str = "stage-model") -> bool:
    """Whether an init container has done its work."""
    ended = _init_status(pod, step).get("state", {}).get("terminated", {})
    return bool(ended.get("exitCode") == 0)


def staging_failure(pod: Json, step: str) -> Failure | None:
    """What an init container said when it last ended in failure; the kubelet starts it again and again."""
    status = _init_status(pod, step)
    for state in (status.get("state", {}), status.get("lastState", {})):
        ended = state.get("terminated")
        if ended and ended["exitCode"] != 0:
            try:
                return Failure.model_validate_json(ended.get("message", ""))
            except ValidationError:
                message = f"{step} ended with exit code {ended['exitCode']}"
                return Failure(reason="StagingFailed", message=message)
    return None


def _init_status(pod: Json, name: str) -> Json:
    statuses = pod.get("status", {}).get("initContainerStatuses", [])
    return next((entry for entry in statuses if entry["name"] == name), {})
