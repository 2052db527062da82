"""The agent API with real tokens, a real API server and the client that pods use."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from banktuner_api import names
from banktuner_api.agent import AgentClient, AgentError, Report
from banktuner_api.serving import Observed
from banktuner_operator.agentapi import server
from banktuner_operator.agentapi.hub import Hub
from tests.integration import certificates
from tests.integration.kubelet import DIGEST, Cluster, Json, eventually, job_spec, model_spec
from tests.support.ports import free_port

WEALTH = {"name": "wealth", "uri": "s3://bank/wealth", "digest": DIGEST}


@dataclass
class Agent:
    tls: Path
    hub: Hub
    agent_port: int
    folder: Path
    agent_host: str = "127.0.0.1"

    def client(self, token: str) -> AgentClient:
        file = self.folder / "token"
        file.write_text(token)
        return AgentClient(f"https://127.0.0.1:{self.agent_port}", file, self.tls / "ca.crt")


@pytest.fixture
async def agent(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Agent]:
    made = Agent(certificates.make(tmp_path / "tls"), Hub(), free_port(), tmp_path)
    runner = await server.start(cluster.client, made, made.hub, cluster.clock)
    yield made
    await runner.cleanup()


async def token(cluster: Cluster, pod: Json, audience: str = names.TOKEN_AUDIENCE) -> str:
    """What the kubelet projects into the pod."""
    where = f"/api/v1/namespaces/{cluster.namespace}/serviceaccounts/default/token"
    bound = {"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]}
    spec = {"audiences": [audience], "expirationSeconds": 600, "boundObjectRef": bound}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return str((await cluster.client.call("POST", where, {}, body))["status"]["token"])


async def training_pod(cluster: Cluster, name: str = "card") -> Json:
    await cluster.create("FineTuneJob", name, job_spec())
    await cluster.reconcile("FineTuneJob", name)
    return await cluster.pod()


REPORT = {"trainerStatus": {"progressPercentage": 40}, "attempt": 1, "phase": "Publishing", "reason": "StoreDown"}


async def test_progress_reaches_status(cluster: Cluster, agent: Agent) -> None:
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    await asyncio.to_thread(client.report, cluster.namespace, "card", Report.model_validate(REPORT))

    async def written() -> bool:
        status = (await cluster.get("FineTuneJob", "card")).get("status", {})
        return status.get("trainerStatus", {}).get("progressPercentage") == 40

    await eventually(written, "progress in status")
    status = (await cluster.get("FineTuneJob", "card"))["status"]
    assert status["activity"]["phase"] == "Publishing"
    assert status["activity"]["reason"] == "StoreDown"
    await cluster.reconcile("FineTuneJob", "card")
    again = (await cluster.get("FineTuneJob", "card"))["status"]
    assert (again["trainerStatus"], again["activity"]) == (status["trainerStatus"], status["activity"])


async def test_a_checkpoint_is_told_beside_what_the_trainer_tells(cluster: Cluster, agent: Agent) -> None:
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    checkpoint = {"step": 40, "uri": "s3://bank/out/checkpoints/step-40", "savedTime": "2026-01-31T12:00:00Z"}
    for body in (REPORT, {"checkpoint": checkpoint}, REPORT | {"trainerStatus": {"progressPercentage": 42}}):
        await asyncio.to_thread(client.report, cluster.namespace, "card", Report.model_validate(body))

    async def written() -> bool:
        status = (await cluster.get("FineTuneJob", "card"))["status"]
        return status.get("trainerStatus", {}).get("progressPercentage") == 42

    await eventually(written, "the newest progress")
    status = (await cluster.get("FineTuneJob", "card"))["status"]
    assert status["checkpoint"] == checkpoint and status["activity"]["reason"] == "StoreDown"
    newer = checkpoint | {"step": 80}
    await asyncio.to_thread(client.report, cluster.namespace, "card", Report.model_validate({"checkpoint": newer}))

    async def replaced() -> bool:
        return (await cluster.get("FineTuneJob", "card"))["status"]["checkpoint"] == newer

    await eventually(replaced, "the newer checkpoint")
    await cluster.reconcile("FineTuneJob", "card")
    again = (await cluster.get("FineTuneJob", "card"))["status"]
    assert again["checkpoint"] == newer and again["activity"]["reason"] == "StoreDown"


async def test_kubeflow_trainers_body_alone_is_taken_and_keeps_the_rest(cluster: Cluster, agent: Agent) -> None:
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    for body in (REPORT, {"trainerStatus": {"progressPercentage": 41, "metrics": [{"name": "loss", "value": "1"}]}}):
        await asyncio.to_thread(client.report, cluster.namespace, "card", Report.model_validate(body))

    async def written() -> bool:
        status = (await cluster.get("FineTuneJob", "card"))["status"]
        return status.get("trainerStatus", {}).get("progressPercentage") == 41

    await eventually(written, "the newest progress")
    assert (await cluster.get("FineTuneJob", "card"))["status"]["activity"]["reason"] == "StoreDown"


async def test_staging_and_publishing_tell_the_time_left_beside_the_trainers_words(
    cluster: Cluster, agent: Agent
) -> None:
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    loss = [{"name": "loss", "value": "1"}]

    async def becomes(body: Json, trainer_status: Json) -> None:
        await asyncio.to_thread(client.report, cluster.namespace, "card", Report.model_validate(body))

        async def written() -> bool:
            told = (await cluster.get("FineTuneJob", "card"))["status"].get("trainerStatus", {})
            return {key: value for key, value in told.items() if key != "lastUpdatedTime"} == trainer_status

        await eventually(written, f"{trainer_status} after {body}")

    staging, publishing = {"attempt": 1, "phase": "Staging"}, {"attempt": 1, "phase": "Publishing"}
    trained = {"progressPercentage": 98, "metrics": loss}
    await becomes(staging | {"remainingSeconds": 14}, {"estimatedRemainingSeconds": 14})
    await becomes(staging | {"message": "model and data are staged"}, {})
    told = trained | {"estimatedRemainingSeconds": 2}
    await becomes(publishing | {"trainerStatus": told}, told)
    await becomes(publishing | {"remainingSeconds": 40}, trained | {"estimatedRemainingSeconds": 40})
    await becomes(publishing | {"reason": "ObjectStoreUnavailable"}, trained)
    await becomes({"attempt": 2, "phase": "Staging", "remainingSeconds": 9}, {"estimatedRemainingSeconds": 9})


async def test_words_in_quick_succession_build_on_each_other(cluster: Cluster, agent: Agent) -> None:
    """The publisher's word comes while the trainer's is not written yet: it must not bring back what was before."""
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    publishing = {"attempt": 1, "phase": "Publishing"}
    bodies = [publishing | {"trainerStatus": {"progressPercentage": percent}} for percent in (96, 97, 98)]
    for body in (*bodies, publishing | {"remainingSeconds": 40}):
        await asyncio.to_thread(client.report, cluster.namespace, "card", Report.model_validate(body))

    async def written() -> bool:
        told = (await cluster.get("FineTuneJob", "card"))["status"].get("trainerStatus", {})
        return (told.get("progressPercentage"), told.get("estimatedRemainingSeconds")) == (98, 40)

    await eventually(written, "the newest percentage and the time left")


async def test_reports_are_coalesced(cluster: Cluster, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    apply, writes = cluster.client.apply, 0

    async def counted(*arguments: object, **named: object) -> Json:
        nonlocal writes
        writes += 1
        return await apply(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(cluster.client, "apply", counted)

    def burst() -> None:
        for percent in range(40):
            report = Report.model_validate({"trainerStatus": {"progressPercentage": percent}})
            client.report(cluster.namespace, "card", report)

    started = time.monotonic()
    await asyncio.to_thread(burst)

    async def written() -> bool:
        status = (await cluster.get("FineTuneJob", "card")).get("status", {})
        return status.get("trainerStatus", {}).get("progressPercentage") == 39

    await eventually(written, "the last progress")
    assert writes <= time.monotonic() - started + 2


@pytest.mark.parametrize("wrong", ["none", "garbage", "audience", "unbound", "other-object", "other-namespace"])
async def test_who_may_not_speak(cluster: Cluster, agent: Agent, wrong: str) -> None:
    pod = await training_pod(cluster)
    namespace, name, status = cluster.namespace, "card", 401
    presented = {"none": "", "garbage": "x.y.z"}.get(wrong) or await token(cluster, pod)
    if wrong == "none":
        presented = " "
    if wrong == "audience":
        presented = await token(cluster, pod, "https://kubernetes.default.svc")
    if wrong == "unbound":
        where = f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"
        spec = {"audiences": [names.TOKEN_AUDIENCE]}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        presented, status = (await cluster.client.call("POST", where, {}, body))["status"]["token"], 403
    if wrong == "other-object":
        await cluster.create("FineTuneJob", "other", job_spec())
        name, status = "other", 403
    if wrong == "other-namespace":
        namespace, status = "default", 403
    with pytest.raises(AgentError, match=f"status {status}"):
        await asyncio.to_thread(agent.client(presented).report, namespace, name, Report.model_validate(REPORT))
    assert "trainerStatus" not in (await cluster.get("FineTuneJob", "card"))["status"]


async def test_a_pod_that_only_looks_like_ours_may_not_speak(cluster: Cluster, agent: Agent) -> None:
    await training_pod(cluster)
    owner = await cluster.get("FineTuneJob", "card")
    container = {
        "name": "x",
        "image": "x",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    labels = {names.LABEL_OWNER_UID: owner["metadata"]["uid"]}
    fake = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "fake", "namespace": cluster.namespace, "labels": labels},
        "spec": {"containers": [container], "securityContext": security},
    }
    presented = await token(cluster, await cluster.client.create(fake))
    with pytest.raises(AgentError, match="status 403"):
        await asyncio.to_thread(
            agent.client(presented).report, cluster.namespace, "card", Report.model_validate(REPORT)
        )


async def test_wrong_bodies_name_the_field(cluster: Cluster, agent: Agent) -> None:
    pod = await training_pod(cluster)
    client = agent.client(await token(cluster, pod))
    report = Report.model_construct(reason="x" * 200)
    with pytest.raises(AgentError, match=r"status 422.*reason"):
        await asyncio.to_thread(client.report, cluster.namespace, "card", report)


async def serving_pod(cluster: Cluster) -> Json:
    await cluster.create("BankingModel", "assistant", model_spec(adapters=[WEALTH]))
    await cluster.reconcile("BankingModel", "assistant")
    return await cluster.pod("engine")


async def test_desired_comes_at_once_and_again_when_it_changes(
    cluster: Cluster, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RECHECK_SECONDS", 3600.0)  # it is the event that wakes it
    client = agent.client(await token(cluster, await serving_pod(cluster)))
    first = await asyncio.to_thread(client.desired, cluster.namespace, "assistant", "", 10)
    assert first is not None and [entry.name for entry in first.adapters] == ["wealth"]
    assert await asyncio.to_thread(client.desired, cluster.namespace, "assistant", first.revision, 1) is None
    waiting = asyncio.create_task(asyncio.to_thread(client.desired, cluster.namespace, "assistant", first.revision, 60))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    cards = WEALTH | {"name": "cards", "digest": "sha256:" + "cd" * 32}
    await cluster.patch("BankingModel", "assistant", {"spec": {"adapters": [WEALTH, cards]}})
    await cluster.reconcile("BankingModel", "assistant")
    agent.hub.notify(cluster.namespace, "assistant")
    second = await asyncio.wait_for(waiting, 30)
    assert second is not None and [entry.name for entry in second.adapters] == ["wealth", "cards"]


async def test_desired_without_an_event_is_rechecked(cluster: Cluster, agent: Agent) -> None:
    client = agent.client(await token(cluster, await serving_pod(cluster)))
    first = await asyncio.to_thread(client.desired, cluster.namespace, "assistant", "", 10)
    assert first is not None
    waiting = asyncio.create_task(asyncio.to_thread(client.desired, cluster.namespace, "assistant", first.revision, 60))
    await asyncio.sleep(0.3)
    await cluster.patch("BankingModel", "assistant", {"spec": {"adapters": []}})
    await cluster.reconcile("BankingModel", "assistant")
    second = await asyncio.wait_for(waiting, server.RECHECK_SECONDS + 15)
    assert second is not None and second.adapters == []


async def test_observed_reaches_status_of_its_own_pod_only(cluster: Cluster, agent: Agent) -> None:
    pod = await serving_pod(cluster)
    client = agent.client(await token(cluster, pod))
    adapters = [{"name": "wealth", "digest": DIGEST, "state": "Ready", "loadSeconds": 2.5}]
    told = Observed.model_validate({"pod": pod["metadata"]["name"], "adapters": adapters})
    await asyncio.to_thread(client.observed, cluster.namespace, "assistant", told)

    async def aggregated() -> bool:
        await cluster.reconcile("BankingModel", "assistant")
        return (await cluster.get("BankingModel", "assistant"))["status"]["adaptersReady"] == "1/1"

    await eventually(aggregated, "the adapter is ready")
    with pytest.raises(AgentError, match="status 403"):
        other = told.model_copy(update={"pod": "another"})
        await asyncio.to_thread(client.observed, cluster.namespace, "assistant", other)
