"""BankingModel against a real API server; the tests are the kubelet and the pods."""

import json

import pytest

from banktuner_api import names
from banktuner_operator.cluster.client import path
from banktuner_operator.cluster.execute import instance_manager
from tests.integration.kubelet import (
    DIGEST,
    Cluster,
    Json,
    condition_of,
    eventually,
    job_spec,
    model_spec,
    ours,
    result,
)

KIND = "BankingModel"
OTHER = "sha256:" + "cd" * 32
WEALTH = {"name": "wealth", "uri": "s3://bank/wealth", "digest": DIGEST, "secretRef": {"name": "s3"}}
CHILDREN = ("ConfigMap", "Deployment", "Service", "NetworkPolicy")


async def engine(cluster: Cluster) -> Json:
    found = await cluster.list("Deployment")
    (made,) = [entry for entry in found if entry["metadata"]["labels"][names.LABEL_COMPONENT] == "engine"]
    return made


async def desired(cluster: Cluster) -> Json:
    (config_map,) = await cluster.list("ConfigMap")
    return json.loads(config_map["data"][names.DESIRED_KEY])


async def observe(cluster: Cluster, pod: str, adapters: list[Json]) -> None:
    """What the agent API writes when a pod tells what it serves."""
    body = {
        "apiVersion": names.API_VERSION,
        "kind": KIND,
        "metadata": {"name": "assistant", "namespace": cluster.namespace},
        "status": {"instances": [{"pod": pod, "adapters": adapters}]},
    }
    await cluster.client.apply(body, instance_manager(pod), "status")


async def finish_job(cluster: Cluster, name: str, spec: Json | None = None, **artifact: object) -> None:
    await cluster.create("FineTuneJob", name, spec or job_spec())
    await cluster.reconcile("FineTuneJob", name)
    selector = f"{names.LABEL_INSTANCE}={name},{names.LABEL_OWNER_KIND}=FineTuneJob"
    found: list[Json] = []

    async def exists() -> bool:
        found[:] = await cluster.client.list("Pod", cluster.namespace, labelSelector=selector)
        return bool(found)

    await eventually(exists, f"a pod of {name}")
    await cluster.end_pod(found[0], 0, json.dumps(result(**artifact)))
    await cluster.until("FineTuneJob", name, "Complete", "True")


async def ready_pods(cluster: Cluster) -> str:
    """Make engine and gateway ready; the engine pod's name."""
    pod = await cluster.pod("engine")
    await cluster.make_ready(pod)
    await cluster.make_ready(await cluster.pod("gateway"))
    return str(pod["metadata"]["name"])


async def test_from_nothing_to_serving(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(adapters=[WEALTH], defaultAdapter="wealth"))
    await cluster.until(KIND, "assistant", "Ready", "False", "Staging")
    pod = await ready_pods(cluster)
    proved = {"name": "wealth", "digest": DIGEST, "state": "Ready", "loadSeconds": 1.5}
    await cluster.until(KIND, "assistant", "Ready", "True")
    assert condition_of(await cluster.get(KIND, "assistant"), "Degraded")["status"] == "True"
    await observe(cluster, pod, [proved])
    served = await cluster.until(KIND, "assistant", "AdaptersReady", "True")
    status = served["status"]
    assert status["adaptersReady"] == "1/1"
    assert status["adapters"] == [
        {
            "name": "wealth",
            "digest": DIGEST,
            "state": "Ready",
            "reason": "",
            "message": "",
            "readyReplicas": 1,
            "desiredReplicas": 1,
            "lastLoadSeconds": 1.5,
        }
    ]
    assert status["url"] == f"http://assistant-gateway.{cluster.namespace}.svc"
    assert status["engine"] == "VLLM"
    assert condition_of(served, "Degraded")["status"] == "False"


async def test_status_and_children_are_stable(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(adapters=[WEALTH]))
    await cluster.reconcile(KIND, "assistant")
    await ready_pods(cluster)
    await cluster.until(KIND, "assistant", "Ready", "True")

    async def settled() -> bool:
        before = await cluster.get(KIND, "assistant")
        await cluster.reconcile(KIND, "assistant")
        return await cluster.get(KIND, "assistant") == before

    await eventually(settled, "a stable status")
    children = [ours(child) for kind in CHILDREN for child in await cluster.list(kind)]
    await cluster.reconcile(KIND, "assistant")
    assert [ours(child) for kind in CHILDREN for child in await cluster.list(kind)] == children
    assert len(children) == 7


@pytest.mark.parametrize("kind", CHILDREN)
async def test_deleted_children_come_back(cluster: Cluster, kind: str) -> None:
    await cluster.create(KIND, "assistant", model_spec(adapters=[WEALTH]))
    await cluster.reconcile(KIND, "assistant")
    before = {child["metadata"]["name"] for child in await cluster.list(kind)}
    for name in before:
        await cluster.delete(kind, name)
    await cluster.reconcile(KIND, "assistant")
    assert {child["metadata"]["name"] for child in await cluster.list(kind)} == before


async def test_vllm_pods_stay_when_adapters_change(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(adapters=[WEALTH]))
    await cluster.reconcile(KIND, "assistant")
    template, first = (await engine(cluster))["spec"]["template"], await desired(cluster)
    cards = WEALTH | {"name": "cards", "digest": OTHER}
    await cluster.patch(KIND, "assistant", {"spec": {"adapters": [WEALTH, cards]}})
    await cluster.reconcile(KIND, "assistant")
    second = await desired(cluster)
    assert (await engine(cluster))["spec"]["template"] == template
    assert [entry["name"] for entry in second["adapters"]] == ["wealth", "cards"]
    assert second["revision"] != first["revision"]


async def test_tgi_pods_roll_when_adapters_change(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(engine="TGI", resources={"gpus": 1}, adapters=[WEALTH]))
    await cluster.reconcile(KIND, "assistant")
    first = (await engine(cluster))["spec"]["template"]
    await cluster.patch(KIND, "assistant", {"spec": {"adapters": [WEALTH | {"digest": OTHER}]}})
    await cluster.reconcile(KIND, "assistant")
    second = (await engine(cluster))["spec"]["template"]
    assert first["metadata"]["annotations"] != second["metadata"]["annotations"]
    environment = {entry["name"]: entry.get("value") for entry in second["spec"]["containers"][0]["env"]}
    served = names.served_name("wealth", OTHER)
    assert environment["LORA_ADAPTERS"] == f"{served}=/work/adapters/{served}"


async def test_adapters_of_jobs_wait_fail_or_serve(cluster: Cluster) -> None:
    failing = job_spec(evaluation={"thresholds": [{"metric": "intent_accuracy", "atLeast": 0.99}]})
    adapters = [{"name": name, "fineTuneJob": {"name": name}} for name in ("late", "bad", "wide", "whole", "good")]
    await finish_job(cluster, "bad", failing)
    await finish_job(cluster, "wide", rank=128)
    await finish_job(cluster, "whole", servedAs="Merged")
    await finish_job(cluster, "good")
    await cluster.create(KIND, "assistant", model_spec(adapters=adapters))
    await cluster.reconcile(KIND, "assistant")
    live = await cluster.get(KIND, "assistant")
    found = {entry["name"]: (entry["state"], entry["reason"]) for entry in live["status"]["adapters"]}
    assert found == {
        "late": ("Waiting", "WaitingForFineTuneJob"),
        "bad": ("Failed", "EvaluationNotPassed"),
        "wide": ("Failed", "RankTooLarge"),
        "whole": ("Failed", "NotServable"),
        "good": ("Loading", ""),
    }
    config_maps = [entry for entry in await cluster.list("ConfigMap") if names.DESIRED_KEY in entry["data"]]
    (served,) = json.loads(config_maps[0]["data"][names.DESIRED_KEY])["adapters"]
    assert served["name"] == "good"
    assert served["source"]["credentials"] == names.secret_env_prefix("s3")


async def test_an_adapter_outlives_its_job(cluster: Cluster) -> None:
    await finish_job(cluster, "good", job_spec(output={"uri": "s3://bank/x", "secretRef": {"name": "only-there"}}))
    await cluster.create(KIND, "assistant", model_spec(adapters=[{"name": "good", "fineTuneJob": {"name": "good"}}]))
    await cluster.reconcile(KIND, "assistant")
    template = (await engine(cluster))["spec"]["template"]
    await cluster.delete("FineTuneJob", "good")
    await cluster.reconcile(KIND, "assistant")
    config_maps = [entry for entry in await cluster.list("ConfigMap") if names.DESIRED_KEY in entry["data"]]
    assert [entry["name"] for entry in json.loads(config_maps[0]["data"][names.DESIRED_KEY])["adapters"]] == ["good"]
    assert (await engine(cluster))["spec"]["template"] == template


async def test_model_of_a_job(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(model={"fineTuneJob": {"name": "base"}}))
    await cluster.until(KIND, "assistant", "ModelReady", "False", "WaitingForModel")
    assert await cluster.list("Deployment") == []
    await finish_job(cluster, "base", servedAs="Merged")
    await cluster.until(KIND, "assistant", "ModelReady", "False", "Staging")
    assert len(await cluster.list("Deployment")) == 2


async def test_model_that_cannot_be_served(cluster: Cluster) -> None:
    await finish_job(cluster, "base", servedAs="Classifier")
    await cluster.create(KIND, "assistant", model_spec(model={"fineTuneJob": {"name": "base"}}))
    refused = await cluster.until(KIND, "assistant", "Accepted", "False", "ModelNotUsable")
    assert "(Classifier)" in condition_of(refused, "Accepted")["message"]
    assert await cluster.list("Deployment") == []


async def test_scale(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec())
    await cluster.reconcile(KIND, "assistant")
    where = path(KIND, cluster.namespace, "assistant") + "/scale"
    await cluster.client.call("PATCH", where, {}, {"spec": {"replicas": 3}}, "application/merge-patch+json")

    async def scaled() -> bool:
        await cluster.reconcile(KIND, "assistant")
        scale = await cluster.client.call("GET", where)
        return scale["spec"]["replicas"] == scale["status"]["replicas"] == 3

    await eventually(scaled, "three replicas")
    scale = await cluster.client.call("GET", where)
    pods = await cluster.client.list("Pod", cluster.namespace, labelSelector=scale["status"]["selector"])
    assert len(pods) == 3


async def test_instances_of_vanished_pods_are_forgotten(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(adapters=[WEALTH]))
    await cluster.reconcile(KIND, "assistant")
    pod = await ready_pods(cluster)
    told = [{"name": "wealth", "digest": DIGEST, "state": "Ready"}]
    await observe(cluster, pod, told)
    await observe(cluster, "assistant-gone", told)
    await cluster.reconcile(KIND, "assistant")
    live = await cluster.get(KIND, "assistant")
    assert [entry["pod"] for entry in live["status"]["instances"]] == [pod]


async def test_what_staging_said_is_told(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec())
    await cluster.reconcile(KIND, "assistant")
    failure = {"reason": "UnsafeFile", "message": "pytorch_model.bin can carry code", "field": "spec.model.uri"}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    status = {
        "name": "stage-model",
        "state": waiting,
        "lastState": {"terminated": {"exitCode": 70, "message": json.dumps(failure)}},
        "ready": False,
        "restartCount": 1,
        "image": "",
        "imageID": "",
    }
    pod = await cluster.pod("engine")
    change = {"status": {"phase": "Pending", "initContainerStatuses": [status]}}
    await cluster.patch("Pod", pod["metadata"]["name"], change, "status")
    refused = await cluster.until(KIND, "assistant", "Ready", "False", "UnsafeFile")
    assert condition_of(refused, "Ready")["message"] == "spec.model.uri: pytorch_model.bin can carry code"


async def test_missing_tokens_secret_is_named(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec())
    await cluster.reconcile(KIND, "assistant")
    await cluster.make_ready(await cluster.pod("engine"))
    pod = await cluster.pod("gateway")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "mount", "namespace": cluster.namespace},
        "involvedObject": {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "namespace": cluster.namespace,
            "uid": pod["metadata"]["uid"],
        },
        "type": "Warning",
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "tokens" : secret "tokens" not found',
        "lastTimestamp": "2026-01-01T00:00:00Z",
    }
    await cluster.client.create(event)
    blocked = await cluster.until(KIND, "assistant", "GatewayReady", "False", "SecretMissing")
    assert "spec.gateway.auth.tokensSecretRef" in condition_of(blocked, "GatewayReady")["message"]


async def test_gateway_service_of_somebody_else_is_left_alone(cluster: Cluster) -> None:
    ports = [{"port": 80}]
    meta = {"name": "assistant-gateway", "namespace": cluster.namespace}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": ports}}
    await cluster.client.create(theirs)
    await cluster.create(KIND, "assistant", model_spec())
    await cluster.until(KIND, "assistant", "Accepted", "False", "NameConflict")
    assert "ownerReferences" not in (await cluster.get("Service", "assistant-gateway"))["metadata"]
    assert await cluster.list("Deployment") == []
