"""What tests do to the cluster: create our objects, play the kubelet, drive reconciliations, wait for conditions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from banktuner_api import names
from banktuner_operator.cluster.client import ApiError, Client, path
from banktuner_operator.cluster.reconcile import Key, Reconciler, no_step
from banktuner_operator.settings import Settings

Json = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
DIGEST = "sha256:" + "ab" * 32


def settings(**changes: Any) -> Settings:
    """Settings as the chart would make them."""
    images = {name: f"example/{name}:1" for name in ("operator", "proxy", "gateway", "ui", "trainer", "vllm", "tgi")}
    content = {
        "images": images,
        "agentUrl": "https://banktuner-agent.banktuner-system.svc:8443",
        "agentCa": "-----BEGIN CERTIFICATE-----\n",
        "namespace": "banktuner-system",
        "defaultEngine": "VLLM",
        "retrySeconds": 1,
        "profiles": {"default": {"requestPercent": 50}},
        "network": {"objectStores": [{"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"], "ports": [443]}]},
    }
    return Settings.model_validate(content | changes)


def job_spec(**changes: Any) -> Json:
    """A FineTuneJob's spec."""
    secret = {"name": "s3"}
    spec = {
        "task": "Classification",
        "model": {"uri": "s3://bank/models/minilm", "secretRef": secret},
        "dataset": {"uri": "s3://bank/data/train.csv", "secretRef": secret},
        "method": "LoRA",
        "output": {"uri": "s3://bank/artifacts", "secretRef": secret},
        "resources": {"cpu": "1", "memory": "1Gi", "ephemeralStorage": "1Gi"},
    }
    return spec | changes


def model_spec(**changes: Any) -> Json:
    """A BankingModel's spec."""
    spec = {
        "model": {"uri": "s3://bank/models/llama", "secretRef": {"name": "s3"}},
        "gateway": {"auth": {"tokensSecretRef": {"name": "tokens"}}},
    }
    return spec | changes


def result(**changes: Any) -> Json:
    """The termination message of a successful trainer."""
    artifact = {
        "uri": "s3://bank/artifacts/x/1",
        "digest": DIGEST,
        "sizeBytes": 10,
        "task": "Instruction",
        "method": "LoRA",
        "rank": 16,
        "modelDigest": DIGEST,
        "servedAs": "Adapter",
    }
    metrics = [{"name": "intent_accuracy", "value": "0.91"}]
    return {"artifact": artifact | changes, "metrics": metrics, "resourcesUsed": {"cpuSeconds": 7}}


class Clock:
    """The real time, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Cluster:
    """One namespace of the test's."""

    def __init__(self, client: Client, namespace: str) -> None:
        self.client = client
        self.namespace = namespace
        self.clock = Clock()
        self.reconciler = Reconciler(client, settings(), self.clock, no_step)

    async def service_account(self) -> None:
        where = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/default"
        await eventually(lambda: self._exists(where), "the default service account")

    async def _exists(self, where: str) -> bool:
        try:
            await self.client.call("GET", where)
        except ApiError:
            return False
        return True

    async def create(self, kind: str, name: str, spec: Json, **metadata: Any) -> Json:
        """Create one of our objects, with strict field validation."""
        meta = {"name": name, "namespace": self.namespace} | metadata
        body = {"apiVersion": names.API_VERSION, "kind": kind, "metadata": meta, "spec": spec}
        return await self.client.call("POST", path(kind, self.namespace), {"fieldValidation": "Strict"}, body)

    async def get(self, kind: str, name: str) -> Json:
        found = await self.client.get(kind, self.namespace, name)
        assert found is not None, f"{kind}/{name} does not exist"
        return found

    async def list(self, kind: str) -> list[Json]:
        """Everything of a kind that banktuner made."""
        selector = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
        return await self.client.list(kind, self.namespace, labelSelector=selector)

    async def patch(self, kind: str, name: str, change: Json, subresource: str = "") -> Json:
        where = path(kind, self.namespace, name) + (f"/{subresource}" if subresource else "")
        return await self.client.call("PATCH", where, {}, change, MERGE_PATCH)

    async def delete(self, kind: str, name: str) -> None:
        live = await self.get(kind, name)
        await self.client.delete(kind, self.namespace, name, live["metadata"]["uid"])

    async def reconcile(self, kind: str, name: str) -> float | None:
        return await self.reconciler.reconcile(Key(kind, self.namespace, name))

    async def until(self, kind: str, name: str, condition: str, status: str, reason: str = "") -> Json:
        """Reconcile until a condition says so; the object."""

        async def holds() -> bool:
            await self.reconcile(kind, name)
            found = condition_of(await self.get(kind, name), condition)
            return bool(found) and found["status"] == status and reason in ("", found["reason"])

        await eventually(holds, f"{kind}/{name} {condition}={status} {reason}")
        return await self.get(kind, name)

    async def pod(self, component: str = "training", beside: str = "") -> Json:
        """The newest pod of a component, once its controller made it; `beside` is the name of an older one."""
        found: list[Json] = []

        async def exists() -> bool:
            selector = f"{names.LABEL_COMPONENT}={component}"
            pods = await self.client.list("Pod", self.namespace, labelSelector=selector)
            found[:] = [pod for pod in pods if pod["metadata"]["name"] != beside]
            return bool(found)

        await eventually(exists, f"a pod of {component}")
        return max(found, key=lambda pod: pod["metadata"]["creationTimestamp"])

    async def end_pod(self, pod: Json, exit_code: int, message: str, container: str = "trainer") -> None:
        """The kubelet's word that a training pod ended."""
        ended = {"exitCode": exit_code, "message": message, "reason": "Completed" if exit_code == 0 else "Error"}
        await self.say(pod, container, {"terminated": ended}, "Succeeded" if exit_code == 0 else "Failed")

    async def say(self, pod: Json, container: str, state: Json, phase: str = "Pending") -> None:
        """The kubelet's word about one container."""
        status = {"name": container, "state": state, "ready": False, "restartCount": 0, "image": "", "imageID": ""}
        field = "containerStatuses" if container == "trainer" else "initContainerStatuses"
        await self.patch("Pod", pod["metadata"]["name"], {"status": {"phase": phase, field: [status]}}, "status")

    async def make_ready(self, pod: Json) -> None:
        """The kubelet's word that a pod serves."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": now}
        status = {"phase": "Running", "conditions": [condition]}
        await self.patch("Pod", pod["metadata"]["name"], {"status": status}, "status")


def ours(child: Json) -> Json:
    """What changes in a child when the operator writes it; the controller manager writes status and annotations too."""
    metadata = child["metadata"]
    return {
        "uid": metadata["uid"],
        "generation": metadata.get("generation"),
        "labels": metadata["labels"],
        "written": [entry for entry in metadata["managedFields"] if entry["manager"] == names.FIELD_MANAGER],
        "content": {key: value for key, value in child.items() if key not in ("metadata", "status")},
    }


def condition_of(live: Json, kind: str) -> Json:
    conditions = live.get("status", {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


async def eventually(holds: Callable[[], Awaitable[bool]], what: str, seconds: float = 60) -> None:
    """Wait until something holds; the failure says what did not."""
    deadline = time.monotonic() + seconds
    while not await holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.1)
