"""FineTuneJob against a real API server; the tests are the kubelet."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from banktuner_api import names
from banktuner_api.exit_codes import ExitCode
from banktuner_operator.cluster.client import ApiError, path
from banktuner_operator.cluster.reconcile import Key, Reconciler
from banktuner_operator.plan.outcome import INDEX_LABEL
from tests.integration.kubelet import Cluster, condition_of, eventually, job_spec, ours, result, settings

KIND = "FineTuneJob"
CHILDREN = ("Job", "ConfigMap", "NetworkPolicy")


async def attempts(cluster: Cluster) -> list[str]:
    return sorted(job["metadata"]["labels"][names.LABEL_ATTEMPT] for job in await cluster.list("Job"))


async def succeed(cluster: Cluster, name: str, **artifact: object) -> dict:
    await cluster.reconcile(KIND, name)
    jobs = [job for job in await cluster.list("Job") if job["metadata"]["labels"][names.LABEL_INSTANCE] == name]
    selector = f"{names.LABEL_INSTANCE}={name}"

    async def exists() -> bool:
        return bool(await cluster.client.list("Pod", cluster.namespace, labelSelector=selector))

    await eventually(exists, f"the pod of {jobs[0]['metadata']['name']}")
    (pod,) = await cluster.client.list("Pod", cluster.namespace, labelSelector=selector)
    await cluster.end_pod(pod, 0, json.dumps(result(**artifact)))
    return await cluster.until(KIND, name, "Complete", "True")


async def test_children_and_their_owner(cluster: Cluster) -> None:
    job = await cluster.create(KIND, "card", job_spec())
    await cluster.reconcile(KIND, "card")
    for kind in CHILDREN:
        (child,) = await cluster.list(kind)
        (owner,) = child["metadata"]["ownerReferences"]
        assert owner["uid"] == job["metadata"]["uid"] and owner["controller"]
        assert names.uid_hash(job["metadata"]["uid"]) in child["metadata"]["name"]
    await cluster.pod()  # the namespace enforces the restricted standard: the pod was admitted


async def test_status_is_written_once(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec())
    await cluster.reconcile(KIND, "card")
    await cluster.pod()
    await cluster.reconcile(KIND, "card")
    before = await cluster.get(KIND, "card")
    children = [ours(child) for kind in CHILDREN for child in await cluster.list(kind)]
    for _ in range(3):
        await cluster.reconcile(KIND, "card")
    assert await cluster.get(KIND, "card") == before
    assert [ours(child) for kind in CHILDREN for child in await cluster.list(kind)] == children


async def test_success(cluster: Cluster) -> None:
    thresholds = [{"metric": "intent_accuracy", "atLeast": 0.9}]
    await cluster.create(KIND, "card", job_spec(evaluation={"thresholds": thresholds}))
    done = await succeed(cluster, "card")
    status = done["status"]
    assert status["phase"] == "Succeeded"
    assert status["artifact"]["servedAs"] == "Adapter"
    assert status["evaluation"] == {"passed": True, "metrics": [{"name": "intent_accuracy", "value": "0.91"}]}
    assert status["resourcesUsed"]["cpuSeconds"] == 7
    assert status["trainerStatus"]["progressPercentage"] == 100
    assert status["completionTime"] >= status["startTime"]


async def test_threshold_not_met(cluster: Cluster) -> None:
    thresholds = [{"metric": "intent_accuracy", "atLeast": 0.95}, {"metric": "macro_f1", "atLeast": 0.9}]
    await cluster.create(KIND, "card", job_spec(evaluation={"thresholds": thresholds}))
    done = await succeed(cluster, "card")
    passed = condition_of(done, "EvaluationPassed")
    assert passed["status"] == "False"
    assert "intent_accuracy is 0.91, at least 0.95 is needed" in passed["message"]
    assert "macro_f1 was not measured" in passed["message"]
    assert not done["status"]["evaluation"]["passed"]


async def test_finished_jobs_recreate_nothing_and_never_change(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec())
    done = await succeed(cluster, "card")
    (job,) = await cluster.list("Job")
    await cluster.delete("Job", job["metadata"]["name"])
    await cluster.patch(KIND, "card", {"spec": {"suspend": True}})
    await cluster.reconcile(KIND, "card")
    assert await cluster.list("Job") == []
    assert (await cluster.get(KIND, "card"))["status"] == done["status"]


async def test_retryable_failures_get_attempts_until_the_limit(cluster: Cluster) -> None:
    soon = cluster.reconciler
    cluster.reconciler = replace(soon, settings=settings(retrySeconds=60))  # the wait is seen however slow we are
    await cluster.create(KIND, "card", job_spec(backoffLimit=1))
    await cluster.reconcile(KIND, "card")
    first = await cluster.pod()
    message = json.dumps({"reason": "Interrupted", "message": "told to stop"})
    await cluster.end_pod(first, ExitCode.INTERRUPTED, message)
    waiting = await cluster.until(KIND, "card", "Running", "False", "RetryBackoff")
    assert "attempt 1 of 2 failed: told to stop" in condition_of(waiting, "Running")["message"]
    cluster.reconciler = soon

    async def second_attempt() -> bool:
        await cluster.reconcile(KIND, "card")
        return await attempts(cluster) == ["1", "2"]

    await eventually(second_attempt, "a second Job")
    pod = await cluster.pod(beside=first["metadata"]["name"])
    await cluster.end_pod(pod, ExitCode.INTERRUPTED, message)
    failed = await cluster.until(KIND, "card", "Failed", "True", "Interrupted")
    assert failed["status"]["attempts"] == 2
    assert failed["status"]["phase"] == "Failed"
    configs = [json.loads(entry["data"]["run.json"]) for entry in await cluster.list("ConfigMap")]
    assert sorted(config["job"]["attempt"] for config in configs) == [1, 2]


async def test_final_failures_name_the_field(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec())
    await cluster.reconcile(KIND, "card")
    failure = {"reason": "EmptyFile", "message": "the file has no rows", "field": "spec.dataset.uri"}
    await cluster.end_pod(await cluster.pod(), ExitCode.INVALID_DATA, json.dumps(failure), "stage")
    failed = await cluster.until(KIND, "card", "Failed", "True", "EmptyFile")
    assert condition_of(failed, "Failed")["message"] == "attempt 1: spec.dataset.uri: the file has no rows"
    assert await attempts(cluster) == ["1"]


async def test_lost_result_is_read_from_the_same_attempt_again(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec())
    await cluster.reconcile(KIND, "card")
    pod = await cluster.pod()
    (job,) = await cluster.list("Job")
    await cluster.end_pod(pod, 0, "")

    async def anew() -> bool:
        await cluster.reconcile(KIND, "card")
        jobs = await cluster.list("Job")
        return bool(jobs) and jobs[0]["metadata"]["uid"] != job["metadata"]["uid"]

    await eventually(anew, "the Job is made again")
    assert await attempts(cluster) == ["1"]
    await cluster.end_pod(await cluster.pod(beside=pod["metadata"]["name"]), 0, json.dumps(result()))
    await cluster.until(KIND, "card", "Complete", "True")


@pytest.mark.parametrize("kind", ["Job", "ConfigMap", "NetworkPolicy"])
async def test_deleted_children_come_back(cluster: Cluster, kind: str) -> None:
    await cluster.create(KIND, "card", job_spec())
    await cluster.reconcile(KIND, "card")
    (child,) = await cluster.list(kind)
    await cluster.delete(kind, child["metadata"]["name"])

    async def back() -> bool:
        await cluster.reconcile(KIND, "card")
        found = await cluster.list(kind)
        return [entry["metadata"]["name"] for entry in found] == [child["metadata"]["name"]] and (
            found[0]["metadata"]["uid"] != child["metadata"]["uid"]
        )

    await eventually(back, f"{kind} is back")
    assert (await cluster.get(KIND, "card"))["status"]["attempts"] == 1


async def test_foreign_change_of_a_child_is_undone(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec())
    await cluster.reconcile(KIND, "card")
    (policy,) = await cluster.list("NetworkPolicy")
    await cluster.patch("NetworkPolicy", policy["metadata"]["name"], {"spec": {"egress": [{}]}})
    await cluster.reconcile(KIND, "card")
    (again,) = await cluster.list("NetworkPolicy")
    assert again["spec"] == policy["spec"]


async def test_name_conflict(cluster: Cluster) -> None:
    job = await cluster.create(KIND, "card", job_spec())
    name = names.child_name("card", job["metadata"]["uid"], "1-run")
    foreign = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": cluster.namespace}}
    await cluster.client.create(foreign | {"data": {"run.json": "theirs"}})
    refused = await cluster.until(KIND, "card", "Accepted", "False", "NameConflict")
    assert f"ConfigMap/{name}" in condition_of(refused, "Accepted")["message"]
    assert (await cluster.get("ConfigMap", name))["data"] == {"run.json": "theirs"}
    assert await cluster.list("Job") == []
    await cluster.delete("ConfigMap", name)
    await cluster.until(KIND, "card", "Accepted", "True")
    assert len(await cluster.list("Job")) == 1


class CrashError(Exception):
    pass


def outline(job: dict, children: list[dict]) -> dict:
    """What must be the same however often the operator died: no uids, times, versions."""
    status = {key: value for key, value in job["status"].items() if key not in ("startTime", "completionTime")}
    status["conditions"] = [
        {key: value for key, value in entry.items() if key != "lastTransitionTime"} for entry in status["conditions"]
    ]
    uid = names.uid_hash(job["metadata"]["uid"])
    shapes = sorted((child["kind"], child["metadata"]["name"].replace(uid, "HASH")) for child in children)
    return {"status": status, "children": shapes}


async def life(cluster: Cluster, name: str, crash_at: int) -> tuple[dict, int]:
    """A job's whole life; the operator dies before its write number `crash_at`, once."""
    writes = 0

    def step(_: str) -> None:
        nonlocal writes
        writes += 1
        if writes == crash_at:
            raise CrashError

    reconciler = Reconciler(cluster.client, settings(), cluster.clock, step)

    async def reconcile() -> None:
        try:
            await reconciler.reconcile(Key(KIND, cluster.namespace, name))
        except CrashError:
            await reconciler.reconcile(Key(KIND, cluster.namespace, name))

    await cluster.create(KIND, name, job_spec())
    await reconcile()
    selector = f"{names.LABEL_INSTANCE}={name}"

    async def pod_exists() -> bool:
        return bool(await cluster.client.list("Pod", cluster.namespace, labelSelector=selector))

    await eventually(pod_exists, "a pod")
    await reconcile()
    (pod,) = await cluster.client.list("Pod", cluster.namespace, labelSelector=selector)
    await cluster.end_pod(pod, 0, json.dumps(result()))

    async def complete() -> bool:
        await reconcile()
        return condition_of(await cluster.get(KIND, name), "Complete").get("status") == "True"

    await eventually(complete, "completion")
    children = [
        child
        for kind in CHILDREN
        for child in await cluster.list(kind)
        if child["metadata"]["labels"][names.LABEL_INSTANCE] == name
    ]
    return outline(await cluster.get(KIND, name), children), writes


async def test_a_crash_at_any_write_changes_nothing_in_the_end(cluster: Cluster) -> None:
    expected, writes = await life(cluster, "job", 0)
    assert writes >= 6
    for crash_at in range(1, writes + 1):
        await cluster.delete(KIND, "job")
        await _gone(cluster)
        found, _ = await life(cluster, "job", crash_at)
        assert found == expected, f"crash at write {crash_at}"


async def _gone(cluster: Cluster) -> None:
    """The controller manager's garbage collection needs a moment; leftovers of the last life are not this one's."""

    async def gone() -> bool:
        pods = await cluster.client.list("Pod", cluster.namespace)
        return not pods and not [child for kind in CHILDREN for child in await cluster.list(kind)]

    await eventually(gone, "what the last life made is gone")


async def test_suspend_and_resume(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec(suspend=True))
    await cluster.until(KIND, "card", "Suspended", "True")
    assert await cluster.list("Job") == []
    assert (await cluster.get(KIND, "card"))["status"]["phase"] == "Suspended"
    await cluster.patch(KIND, "card", {"spec": {"suspend": False, "resources": {"memory": "2Gi"}}})
    await cluster.until(KIND, "card", "Suspended", "False")
    (job,) = await cluster.list("Job")
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"]["memory"] == "2Gi"
    await cluster.patch(KIND, "card", {"spec": {"suspend": True}})
    await cluster.until(KIND, "card", "Suspended", "True")
    (job,) = await cluster.list("Job")
    assert job["spec"]["suspend"]

    async def no_pods() -> bool:
        return not await cluster.client.list("Pod", cluster.namespace)

    await eventually(no_pods, "the pod is gone")
    await cluster.patch(KIND, "card", {"spec": {"suspend": False}})
    await cluster.until(KIND, "card", "Suspended", "False")
    assert await attempts(cluster) == ["1"]
    await cluster.pod()


async def test_model_of_another_job(cluster: Cluster) -> None:
    spec = job_spec(model={"fineTuneJob": {"name": "base"}})
    await cluster.create(KIND, "card", spec)
    waiting = await cluster.until(KIND, "card", "Running", "False", "WaitingForModel")
    assert "'base' does not exist" in condition_of(waiting, "Running")["message"]
    await cluster.create(KIND, "base", job_spec(output={"uri": "s3://bank/models", "secretRef": {"name": "other"}}))
    await succeed(cluster, "base", servedAs="Merged")
    await cluster.reconcile(KIND, "card")
    (config,) = [
        json.loads(entry["data"]["run.json"])
        for entry in await cluster.list("ConfigMap")
        if entry["metadata"]["labels"][names.LABEL_INSTANCE] == "card"
    ]
    assert config["model"] == {
        "uri": "s3://bank/artifacts/x/1",
        "digest": "sha256:" + "ab" * 32,
        "credentials": names.secret_env_prefix("other"),
    }
    (job,) = [entry for entry in await cluster.list("Job") if "card" in entry["metadata"]["name"]]
    sources = job["spec"]["template"]["spec"]["initContainers"][0]["envFrom"]
    assert {source["secretRef"]["name"] for source in sources} == {"s3", "other"}


async def test_model_that_is_no_model_is_refused(cluster: Cluster) -> None:
    await cluster.create(KIND, "base", job_spec())
    await succeed(cluster, "base", servedAs="Adapter")
    await cluster.create(KIND, "card", job_spec(model={"fineTuneJob": {"name": "base"}}))
    refused = await cluster.until(KIND, "card", "Accepted", "False", "ModelNotUsable")
    assert "spec.model.fineTuneJob" in condition_of(refused, "Accepted")["message"]


async def test_missing_secret_is_named(cluster: Cluster) -> None:
    spec = job_spec(dataset={"uri": "s3://bank/data/train.csv", "secretRef": {"name": "nowhere"}})
    await cluster.create(KIND, "card", spec)
    await cluster.reconcile(KIND, "card")
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "nowhere" not found'}
    await cluster.say(await cluster.pod(), "stage", {"waiting": waiting})
    blocked = await cluster.until(KIND, "card", "Running", "False", "SecretMissing")
    assert condition_of(blocked, "Running")["message"].startswith('spec.dataset.secretRef: Secret "nowhere"')


POD = {
    "restartPolicy": "Never",
    "containers": [
        {
            "name": "x",
            "image": "x",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}


async def forbid(cluster: Cluster, resource: str, probe: dict) -> str:
    """A quota of none of `resource`; returns its path once the API server refuses `probe`, one of them, by it."""
    hard = {resource: "0"}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": hard}}
    where = f"/api/v1/namespaces/{cluster.namespace}/resourcequotas"
    await cluster.client.call("POST", where, {}, quota)

    async def counted() -> bool:
        return (await cluster.client.call("GET", f"{where}/none")).get("status", {}).get("hard") == hard

    async def refused() -> bool:
        try:
            await cluster.client.call("POST", path(probe["kind"], cluster.namespace), {"dryRun": "All"}, probe)
        except ApiError as error:
            return "exceeded quota: none" in error.message
        return False

    await eventually(counted, "the quota is counted")
    await eventually(refused, "the quota is in force")
    return f"{where}/none"


async def test_quota_is_named(cluster: Cluster) -> None:
    await forbid(cluster, "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": POD})
    await cluster.create(KIND, "card", job_spec())
    blocked = await cluster.until(KIND, "card", "Running", "False", "QuotaExceeded")
    assert "exceeded quota: none" in condition_of(blocked, "Running")["message"]


async def test_a_refused_child_is_told(cluster: Cluster) -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "probe"}, "spec": {"template": {"spec": POD}}}
    where = await forbid(cluster, "count/jobs.batch", job)
    await cluster.create(KIND, "card", job_spec())

    async def refused() -> bool:
        with pytest.raises(ApiError):
            await cluster.reconcile(KIND, "card")
        return condition_of(await cluster.get(KIND, "card"), "Accepted").get("reason") == "ChildRefused"

    await eventually(refused, "the refusal in status")
    message = condition_of(await cluster.get(KIND, "card"), "Accepted")["message"]
    assert "exceeded quota: none" in message
    await cluster.client.call("DELETE", where)

    async def accepted() -> bool:
        try:
            await cluster.reconcile(KIND, "card")
        except ApiError:
            return False
        return condition_of(await cluster.get(KIND, "card"), "Accepted")["status"] == "True"

    await eventually(accepted, "the job goes on by itself")


async def test_unknown_profile(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec(profile="h100"))
    refused = await cluster.until(KIND, "card", "Accepted", "False", "UnknownProfile")
    assert "known profiles: default" in condition_of(refused, "Accepted")["message"]
    assert await cluster.list("Job") == []


async def test_ttl_deletes_the_job(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec(ttlSecondsAfterFinished=30))
    await succeed(cluster, "card")
    left = await cluster.reconcile(KIND, "card")
    assert left is not None and 0 < left <= 30
    cluster.clock.ahead = timedelta(seconds=31)
    await cluster.reconcile(KIND, "card")
    assert await cluster.client.get(KIND, cluster.namespace, "card") is None


async def test_events_tell_what_happened(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec())
    await succeed(cluster, "card")
    field = "involvedObject.kind=FineTuneJob,involvedObject.name=card"
    events = await cluster.client.list("Event", cluster.namespace, fieldSelector=field)
    assert {(event["type"], event["reason"]) for event in events} == {("Normal", "ArtifactCommitted")}


async def test_kueue_label_is_passed_and_the_queue_lifts_suspend(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec(), labels={names.KUEUE_QUEUE_LABEL: "gpu"})
    queued = await cluster.until(KIND, "card", "Suspended", "True", "Queued")
    assert queued["status"]["phase"] == "Queued"
    (job,) = await cluster.list("Job")
    assert job["metadata"]["labels"][names.KUEUE_QUEUE_LABEL] == "gpu"
    await cluster.patch("Job", job["metadata"]["name"], {"spec": {"suspend": False}})  # as Kueue admits it
    await cluster.until(KIND, "card", "Suspended", "False")
    await cluster.reconcile(KIND, "card")
    (job,) = await cluster.list("Job")
    assert job["spec"]["suspend"] is False


async def test_pods_that_train_together(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec(task="Instruction", nodes=2))
    await cluster.reconcile(KIND, "card")
    (service,), (job,) = await cluster.list("Service"), await cluster.list("Job")

    async def both() -> bool:
        return len(await cluster.list("Pod")) == 2

    await eventually(both, "two pods")
    pods = {pod["metadata"]["labels"][INDEX_LABEL]: pod for pod in await cluster.list("Pod")}
    first = pods["0"]["spec"]
    (trainer,) = first["containers"]
    told = {entry["name"]: entry.get("value") for entry in trainer["env"]}
    assert told["MASTER_ADDR"].startswith(f"{first['hostname']}.{service['metadata']['name']}.")
    assert first["subdomain"] == service["metadata"]["name"] and "JOB_COMPLETION_INDEX" in told
    await cluster.end_pod(pods["1"], 0, "")
    await cluster.end_pod(pods["0"], 0, json.dumps(result()))
    await cluster.until(KIND, "card", "Complete", "True")
    await cluster.reconcile(KIND, "card")
    assert (await cluster.get(KIND, "card"))["status"]["attempts"] == 1
    assert job["spec"]["completionMode"] == "Indexed"


async def test_one_pod_that_fails_ends_the_attempt(cluster: Cluster) -> None:
    await cluster.create(KIND, "card", job_spec(task="Instruction", nodes=2, backoffLimit=0))
    await cluster.reconcile(KIND, "card")

    async def both() -> bool:
        return len(await cluster.list("Pod")) == 2

    await eventually(both, "two pods")
    second = next(pod for pod in await cluster.list("Pod") if pod["metadata"]["labels"][INDEX_LABEL] == "1")
    failure = {"reason": "Diverged", "message": "the loss is not a number"}
    await cluster.end_pod(second, ExitCode.DIVERGED, json.dumps(failure))
    for pod in await cluster.list("Pod"):  # the Job controller deletes the others; there is no kubelet to end them
        if pod["metadata"]["name"] != second["metadata"]["name"]:
            where = path("Pod", cluster.namespace, pod["metadata"]["name"])
            await cluster.client.call("DELETE", where, {}, {"gracePeriodSeconds": 0})
    await cluster.until(KIND, "card", "Failed", "True", "Diverged")


async def test_waits_for_what_it_is_compared_with(cluster: Cluster) -> None:
    compared = {"compareWith": "Promoted", "promoted": {"name": "now"}}
    await cluster.create(KIND, "next", job_spec(task="Instruction", evaluation=compared))
    await cluster.until(KIND, "next", "Running", "False", "WaitingForPromoted")
    await cluster.create(KIND, "now", job_spec(task="Instruction"))
    await succeed(cluster, "now")
    await cluster.reconcile(KIND, "next")
    configs = [json.loads(entry["data"]["run.json"]) for entry in await cluster.list("ConfigMap")]
    (config,) = [entry for entry in configs if entry["job"]["name"] == "next"]
    assert config["evaluation"]["promoted"]["uri"] == "s3://bank/artifacts/x/1"
