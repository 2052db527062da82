"""Live objects as the API server would give them, and what the operator builds from them."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from banktuner_api import names
from banktuner_api.bankingmodel import BankingModelSpec
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_operator.plan.finetune import plan_fine_tune_job
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import FineTuneSnapshot, ModelSnapshot, Plan
from banktuner_operator.settings import Settings

Json = dict[str, Any]
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
DIGEST = "sha256:" + "ab" * 32
UID = "6f1c2f6e-0000-4000-8000-000000000001"

IMAGES = ("operator", "proxy", "gateway", "ui", "trainer", "vllm", "tgi")
SETTINGS = Settings.model_validate(
    {
        "images": {name: f"example/{name}:1" for name in IMAGES},
        "agentUrl": "https://agent:8443",
        "namespace": "banktuner-system",
        "profiles": {
            "gpu": {
                "nodeSelector": {"accelerator": "l4"},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "runtimeClassName": "nvidia",
                "requestPercent": 25,
                "prices": {"currency": "EUR", "cpuHour": 0.04, "gpuHour": 2.5},
                "engineArgs": ["--enforce-eager"],
            }
        },
        "network": {
            "objectStores": [{"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"], "ports": [443]}],
            "trackers": [{"cidr": "10.20.0.5/32", "ports": [5000]}],
            "identityProviders": [{"cidr": "10.20.0.6/32", "ports": [443]}],
            "conversationStores": [{"cidr": "10.20.0.7/32", "ports": [6379]}],
            "vectorStores": [{"cidr": "10.20.0.8/32", "ports": [6333]}],
        },
    }
)


GATEWAY: Json = {
    "auth": {"tokensSecretRef": {"name": "tokens"}},
    "access": [{"adapter": "wealth", "groups": ["advisers"]}],
    "scope": {
        "classifier": {"uri": "s3://bank/intents", "digest": DIGEST, "secretRef": {"name": "intents"}},
        "thresholdPercent": 50,
    },
    "privacy": {
        "entities": [{"name": "CUSTOMER", "pattern": "C[0-9]{8}"}],
        "names": {"uri": "s3://bank/names", "secretRef": {"name": "names"}},
    },
    "audit": {
        "sink": "ObjectStore",
        "uri": "s3://audit/records",
        "secretRef": {"name": "audit-store"},
        "keySecretRef": {"name": "audit-key"},
    },
    "conversations": {"store": "Redis", "redisSecretRef": {"name": "redis"}},
    "rateLimit": {"requestsPerMinute": 30},
    "knowledge": {
        "documents": {"uri": "s3://bank/policies/", "secretRef": {"name": "policies"}},
        "embedding": {"uri": "s3://bank/minilm", "secretRef": {"name": "encoder"}},
        "vectorStore": {"type": "Qdrant", "url": "https://qdrant.bank.svc:6333", "secretRef": {"name": "qdrant"}},
    },
}
"""A gateway with every part, and a Secret of its own for each."""


def gateway(**blocks: Any) -> Json:
    """GATEWAY with other blocks; None leaves one out."""
    return {name: block for name, block in (GATEWAY | blocks).items() if block is not None}


def job_owner(**spec: Any) -> Json:
    """A FineTuneJob, with the defaults that the API server fills in."""
    secret = {"name": "s3"}
    asked = {
        "task": "Classification",
        "model": {"uri": "s3://bank/model", "secretRef": secret},
        "dataset": {"uri": "s3://bank/train.csv", "secretRef": secret},
        "method": "LoRA",
        "output": {"uri": "s3://bank/out", "secretRef": secret},
    } | {key: value for key, value in spec.items() if value is not None}
    return _owner("FineTuneJob", "card", FineTuneJobSpec.model_validate(asked).to_json())


def model_owner(**spec: Any) -> Json:
    """A BankingModel, with the defaults that the API server fills in."""
    asked = {
        "model": {"uri": "s3://bank/model", "secretRef": {"name": "s3"}},
        "adapters": [{"name": "wealth", "uri": "s3://bank/wealth", "digest": DIGEST, "secretRef": {"name": "s3"}}],
        "gateway": {"auth": {"tokensSecretRef": {"name": "tokens"}}},
        "resources": {"gpus": 1},
    } | {key: value for key, value in spec.items() if value is not None}
    return _owner("BankingModel", "assistant", BankingModelSpec.model_validate(asked).to_json())


def _owner(kind: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": "bank", "uid": UID, "generation": 1, "resourceVersion": "1"}
    return {"apiVersion": names.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def job_children(owner: Json) -> list[Json]:
    """Children of a job that just began."""
    return list(plan_fine_tune_job(FineTuneSnapshot(owner), NOW, SETTINGS).apply)


def model_children(owner: Json) -> list[Json]:
    """Children of a new BankingModel."""
    return list(plan_banking_model(ModelSnapshot(owner, (), (), {}), NOW, SETTINGS).apply)


class World:
    """The API server in memory, as far as a plan sees it: it keeps what is applied and adds uids and defaults."""

    def __init__(self, owner: Json, decide: Callable[["World"], Plan]) -> None:
        self.owner = owner
        self.children: dict[tuple[str, str], Json] = {}
        self.decide = decide
        self.made = 0

    def step(self) -> Plan:
        """Decide and carry out."""
        plan = self.decide(self)
        for child in plan.apply:
            self._apply(copy.deepcopy(child))
        for gone in plan.delete:
            self.children = {key: live for key, live in self.children.items() if live["metadata"]["uid"] != gone.uid}
        if plan.status is not None:
            self.owner = self.owner | {"status": self.owner.get("status", {}) | copy.deepcopy(plan.status)}
        return plan

    def of_kind(self, kind: str) -> tuple[Json, ...]:
        return tuple(live for (found, _), live in self.children.items() if found == kind)

    def _apply(self, child: Json) -> None:
        key = (child["kind"], child["metadata"]["name"])
        before = self.children.get(key)
        self.made += before is None
        uid = before["metadata"]["uid"] if before else f"uid-{self.made}"
        child["metadata"] |= {"uid": uid, "resourceVersion": "7", "creationTimestamp": "2026-11-21T12:00:00Z"}
        if child["kind"] == "Job":
            child["spec"].setdefault("manualSelector", False)
            child.setdefault("status", before.get("status", {}) if before else {})
        self.children[key] = child


def job_world(owner: Json, base: Json | None = None, promoted: Json | None = None) -> World:
    """A world with one FineTuneJob."""

    def decide(world: World) -> Plan:
        snapshot = FineTuneSnapshot(
            owner=world.owner,
            jobs=world.of_kind("Job"),
            pods=world.of_kind("Pod"),
            config_maps=world.of_kind("ConfigMap"),
            network_policies=world.of_kind("NetworkPolicy"),
            services=world.of_kind("Service"),
            base=base,
            promoted=promoted,
        )
        return plan_fine_tune_job(snapshot, NOW, SETTINGS)

    return World(owner, decide)


def model_world(owner: Json, jobs: dict[str, Json] | None = None) -> World:
    """A world with one BankingModel."""

    def decide(world: World) -> Plan:
        snapshot = ModelSnapshot(world.owner, tuple(world.children.values()), (), jobs or {})
        return plan_banking_model(snapshot, NOW, SETTINGS)

    return World(owner, decide)
