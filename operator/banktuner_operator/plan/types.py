"""What decisions are made from, and what they are made of."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from banktuner_api.common import ConditionStatus, Json


@dataclass(frozen=True)
class Check:
    """What a named check found."""

    status: ConditionStatus
    reason: str
    message: str = ""


@dataclass(frozen=True)
class Event:
    """Something worth telling people once."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Deletion:
    """A live object to delete, if it still is the one that was seen."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str

    @classmethod
    def of(cls, live: Json) -> "Deletion":
        """Delete this live object."""
        meta = live["metadata"]
        return cls(live["apiVersion"], live["kind"], meta.get("namespace", ""), meta["name"], meta["uid"])


@dataclass(frozen=True)
class Plan:
    """What to do, in this order. `status` None: leave it. `requeue_after` in seconds.

    `forget_instances`: pods that are gone but still in status.instances.
    """

    apply: tuple[Json, ...] = ()
    delete: tuple[Deletion, ...] = ()
    status: Json | None = None
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
    forget_instances: tuple[str, ...] = ()


@dataclass(frozen=True)
class FineTuneSnapshot:
    """A FineTuneJob and everything it owns.

    `base`: the FineTuneJob that spec.model.fineTuneJob names; `promoted`: the one in spec.evaluation.promoted.
    `job_events`: messages of warnings about its Jobs. `obstacle`: why no child may be written now.
    """

    owner: Json
    jobs: tuple[Json, ...] = ()
    pods: tuple[Json, ...] = ()
    config_maps: tuple[Json, ...] = ()
    network_policies: tuple[Json, ...] = ()
    services: tuple[Json, ...] = ()
    job_events: tuple[str, ...] = ()
    base: Json | None = None
    promoted: Json | None = None
    obstacle: Check | None = None


@dataclass(frozen=True)
class ModelSnapshot:
    """A BankingModel and everything it owns. `jobs`: the FineTuneJobs that it names, by name.

    `pods`: of its Deployments and Jobs. `warnings` are about the former, `index_warnings` about the latter.
    """

    owner: Json
    children: tuple[Json, ...]
    pods: tuple[Json, ...]
    jobs: dict[str, Json]
    warnings: tuple[str, ...] = ()
    index_warnings: tuple[str, ...] = ()
    obstacle: Check | None = None


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The moment that an RFC 3339 string stands for. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
