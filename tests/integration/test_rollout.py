"""A new version of an adapter against a real API server: tried, then served to all, or taken back."""

import json
from datetime import timedelta

from banktuner_api import names
from banktuner_api.bankingmodel import AdapterState
from banktuner_operator.cluster.execute import instance_manager
from banktuner_operator.cluster.reconcile import Reconciler
from tests.integration.kubelet import DIGEST, Cluster, Json, condition_of, model_spec, settings

KIND = "BankingModel"
NEW = "sha256:" + "cd" * 32
NEXT = "sha256:" + "ef" * 32
ROLLOUT = {"canaryPercent": 10, "bakeSeconds": 300}


def wealth(digest: str) -> list[Json]:
    return [{"name": "wealth", "uri": "s3://bank/wealth", "digest": digest, "secretRef": {"name": "s3"}}]


async def tell(cluster: Cluster, states: dict[str, AdapterState]) -> None:
    """What the agent API writes when the engine pod tells what it has."""
    pod = (await cluster.pod("engine"))["metadata"]["name"]
    adapters = [
        {"name": "wealth", "digest": digest, "state": str(state), "reason": "BaseModelMismatch", "message": "why"}
        for digest, state in states.items()
    ]
    body = {
        "apiVersion": names.API_VERSION,
        "kind": KIND,
        "metadata": {"name": "assistant", "namespace": cluster.namespace},
        "status": {"instances": [{"pod": pod, "adapters": adapters}]},
    }
    await cluster.client.apply(body, instance_manager(pod), "status")


async def step(cluster: Cluster) -> tuple[list[str], list[tuple[str, int]]]:
    """Reconcile; the digests that answer, and (digest, percent) of those that are tried."""
    await cluster.reconcile(KIND, "assistant")
    (config_map,) = await cluster.list("ConfigMap")
    desired = json.loads(config_map["data"][names.DESIRED_KEY])
    tried = [(entry["digest"], entry["percent"]) for entry in desired["canaries"]]
    return [entry["digest"] for entry in desired["adapters"]], tried


async def rollouts(cluster: Cluster) -> list[Json]:
    found: list[Json] = (await cluster.get(KIND, "assistant"))["status"].get("rollouts", [])
    return found


async def serving(cluster: Cluster) -> None:
    """The first version answers, and the spec asks for another one."""
    await cluster.create(KIND, "assistant", model_spec(adapters=wealth(DIGEST), rollout=ROLLOUT))
    await cluster.reconcile(KIND, "assistant")
    await cluster.make_ready(await cluster.pod("engine"))
    await cluster.make_ready(await cluster.pod("gateway"))
    await tell(cluster, {DIGEST: AdapterState.READY})
    await cluster.until(KIND, "assistant", "AdaptersReady", "True", "Loaded")
    await cluster.patch(KIND, "assistant", {"spec": {"adapters": wealth(NEW)}})


async def test_a_version_is_tried_and_then_answers_all_whoever_the_operator_is(cluster: Cluster) -> None:
    await serving(cluster)
    assert await step(cluster) == ([DIGEST], [(NEW, 0)])
    await tell(cluster, {DIGEST: AdapterState.READY, NEW: AdapterState.READY})
    assert await step(cluster) == ([DIGEST], [(NEW, 10)])
    (baking,) = await rollouts(cluster)
    assert (baking["state"], baking["digest"]) == ("Baking", NEW)
    assert condition_of(await cluster.get(KIND, "assistant"), "AdaptersReady")["reason"] == "RollingOut"

    cluster.reconciler = Reconciler(cluster.client, settings(), cluster.clock)
    cluster.clock.ahead += timedelta(seconds=200)
    assert await step(cluster) == ([DIGEST], [(NEW, 10)])
    wait = await cluster.reconcile(KIND, "assistant")
    assert wait is not None and wait <= 60
    assert (await rollouts(cluster))[0]["since"] == baking["since"]

    cluster.clock.ahead += timedelta(seconds=100)
    assert await step(cluster) == ([NEW], [])
    assert await rollouts(cluster) == []
    served = await cluster.until(KIND, "assistant", "AdaptersReady", "True", "Loaded")
    assert served["status"]["adapters"][0]["digest"] == NEW


async def test_a_version_that_cannot_be_loaded_is_taken_back_and_stays_so(cluster: Cluster) -> None:
    await serving(cluster)
    await step(cluster)
    await tell(cluster, {DIGEST: AdapterState.READY, NEW: AdapterState.FAILED})
    assert await step(cluster) == ([DIGEST], [])
    await tell(cluster, {DIGEST: AdapterState.READY})
    cluster.reconciler = Reconciler(cluster.client, settings(), cluster.clock)
    assert await step(cluster) == ([DIGEST], [])
    (back,) = await rollouts(cluster)
    assert (back["state"], back["reason"], back["digest"]) == ("RolledBack", "BaseModelMismatch", NEW)
    live = await cluster.until(KIND, "assistant", "Degraded", "True", "RolledBack")
    assert condition_of(live, "Ready")["status"] == "True"
    events = await cluster.client.list("Event", cluster.namespace)
    assert [event["type"] for event in events if event["reason"] == "RolledBack"] == ["Warning"]

    await cluster.patch(KIND, "assistant", {"spec": {"adapters": wealth(NEXT)}})
    assert await step(cluster) == ([DIGEST], [(NEXT, 0)])
    await cluster.patch(KIND, "assistant", {"spec": {"adapters": wealth(DIGEST)}})
    assert await step(cluster) == ([DIGEST], [])
    assert await rollouts(cluster) == []


async def test_without_a_rollout_a_version_answers_at_once(cluster: Cluster) -> None:
    await serving(cluster)
    await cluster.patch(KIND, "assistant", {"spec": {"rollout": None}})
    assert await step(cluster) == ([NEW], [])
