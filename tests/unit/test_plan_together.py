"""Jobs of several pods, and jobs that are compared with what serves now."""

import json
from typing import Any

import pytest

from banktuner_api import names
from banktuner_api.exit_codes import ExitCode
from banktuner_operator.plan.outcome import INDEX_LABEL
from tests.unit.operator_samples import DIGEST, Json, job_owner, job_world
from tests.unit.test_plan_finetune import (
    ARTIFACT,
    DONE,
    LATER,
    decide,
    ended,
    kinds,
    live_job,
    other_job,
    pod,
    said,
)

RESULT = {"artifact": ARTIFACT, "metrics": [{"name": "perplexity", "value": "3"}]}


def indexed(job: Json, index: int, *containers: tuple[str, Json], **status: Any) -> Json:
    """A pod of one index."""
    made = pod(job, *containers, **status)
    made["metadata"] |= {"name": f"p-{index}", "labels": {INDEX_LABEL: str(index)}}
    return made


def failure(reason: str) -> str:
    return json.dumps({"reason": reason, "message": f"it was {reason}"})


def running(container: str = "trainer") -> tuple[str, Json]:
    return container, {"running": {}}


def test_children_of_a_job_with_two_pods() -> None:
    plan = decide(job_owner(task="Instruction", nodes=2))
    assert kinds(plan) == ["ConfigMap", "Job", "NetworkPolicy", "Service"]
    job, service = (next(child for child in plan.apply if child["kind"] == kind) for kind in ("Job", "Service"))
    assert job["spec"]["completionMode"] == "Indexed"
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 2
    template = job["spec"]["template"]
    assert template["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["clusterIP"] == "None" and service["spec"]["publishNotReadyAddresses"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()


def test_two_pods_know_where_to_meet() -> None:
    (job,) = [child for child in decide(job_owner(task="Instruction", nodes=2)).apply if child["kind"] == "Job"]
    (trainer,) = job["spec"]["template"]["spec"]["containers"]
    told = {entry["name"]: entry.get("value") for entry in trainer["env"]}
    # The Job controller names its pods <job>-<index>; the Service gives that name an address.
    service = job["spec"]["template"]["spec"]["subdomain"]
    assert told["MASTER_ADDR"] == f"{job['metadata']['name']}-0.{service}.bank.svc"
    assert told["MASTER_PORT"] == str(names.RENDEZVOUS_PORT)


def test_one_pod_needs_none_of_it() -> None:
    (job,) = [child for child in decide(job_owner()).apply if child["kind"] == "Job"]
    assert "completionMode" not in job["spec"] and "subdomain" not in job["spec"]["template"]["spec"]
    assert "MASTER_ADDR" not in json.dumps(job)


def test_names_of_pods_fit() -> None:
    owner = job_owner(task="Instruction", nodes=64, backoffLimit=20)
    owner["metadata"]["name"] = "a" * names.MAX_NAME
    owner["status"] = {"attempts": 21, "conditions": []}
    (job,) = [child for child in decide(owner).apply if child["kind"] == "Job"]
    assert len(f"{job['metadata']['name']}-63") <= 63


def test_a_lost_service_comes_back() -> None:
    world = job_world(job_owner(task="Instruction", nodes=2))
    world.step()
    assert world.step().apply == ()
    service = next(key for key in world.children if key[0] == "Service")
    del world.children[service]
    assert [child["kind"] for child in world.step().apply] == ["Service"]


def test_the_first_pod_has_the_result() -> None:
    owner = job_owner(task="Instruction", nodes=2)
    job = live_job(owner, "Complete")
    pods = (
        indexed(job, 1, ("trainer", ended(0, ""))),
        indexed(job, 0, ("trainer", ended(0, json.dumps(RESULT)))),
    )
    assert said(decide(owner, job, pods=pods), "Complete")["status"] == "True"


def test_what_another_pod_says_is_no_result() -> None:
    owner = job_owner(task="Instruction", nodes=2)
    job = live_job(owner, "Complete")
    plan = decide(owner, job, pods=(indexed(job, 1, ("trainer", ended(0, json.dumps(RESULT)))),))
    assert said(plan, "Complete")["status"] == "False" and plan.delete


def test_a_commit_counts_though_another_pod_failed_afterwards() -> None:
    owner = job_owner(task="Instruction", nodes=2)
    job = live_job(owner, "Failed")
    pods = (indexed(job, 0, ("trainer", ended(0, json.dumps(RESULT)))), indexed(job, 1, ("trainer", ended(137))))
    assert said(decide(owner, job, pods=pods), "Complete")["status"] == "True"


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ((ExitCode.INTERRUPTED, "PeerLost"), (ExitCode.DIVERGED, "Diverged"), "Diverged"),
        ((ExitCode.INVALID_DATA, "InvalidData"), (ExitCode.INTERRUPTED, "Interrupted"), "InvalidData"),
        ((ExitCode.INTERRUPTED, "PeerLost"), (ExitCode.INTERNAL, "Internal"), "Internal"),
        ((ExitCode.INTERNAL, "Internal"), (ExitCode.INTERRUPTED, "PeersMissing"), "Internal"),
    ],
)
def test_the_pod_that_the_others_followed_says_why(
    first: tuple[int, str], second: tuple[int, str], reason: str
) -> None:
    owner = job_owner(task="Instruction", nodes=2, backoffLimit=0)
    job = live_job(owner, "Failed")
    pods = tuple(
        indexed(job, index, ("trainer", ended(code, failure(said_reason))))
        for index, (code, said_reason) in enumerate((first, second))
    )
    assert said(decide(owner, job, pods=pods), "Failed")["reason"] == reason


def test_memory_of_one_pod_ends_the_job() -> None:
    owner = job_owner(task="Instruction", nodes=2)
    job = live_job(owner, "Failed")
    pods = (
        indexed(job, 0, ("trainer", ended(ExitCode.INTERRUPTED, failure("PeerLost")))),
        indexed(job, 1, ("trainer", ended(137, reason="OOMKilled"))),
    )
    assert said(decide(owner, job, pods=pods), "Failed")["reason"] == "OutOfMemory"


@pytest.mark.parametrize(
    ("pods", "reason"),
    [
        ([], "PodPending"),
        ([running()], "PodPending"),
        ([running(), running("stage")], "Staging"),
        ([running(), ("trainer", {"waiting": {"reason": "ImagePullBackOff"}})], "ImagePull"),
        ([running(), running()], "Running"),
        ([("trainer", ended(0)), running()], "Running"),
    ],
)
def test_the_pod_that_is_behind_tells_how_far_the_job_is(pods: list[tuple[str, Json]], reason: str) -> None:
    owner = job_owner(task="Instruction", nodes=2)
    job = live_job(owner)
    live = []
    for index, (container, state) in enumerate(pods):
        entry = [{"name": container, "state": state}]
        field = "initContainerStatuses" if container == "stage" else "containerStatuses"
        live.append(indexed(job, index, **{field: entry}))
    assert said(decide(owner, job, pods=tuple(live)), "Running")["reason"] == reason


def test_a_pod_that_was_replaced_is_not_counted_twice() -> None:
    owner = job_owner(task="Instruction", nodes=2)
    job = live_job(owner)
    old, new = indexed(job, 0, running()), indexed(job, 0, running())
    old["metadata"]["creationTimestamp"] = "2026-11-21T10:00:00Z"
    assert old["metadata"]["creationTimestamp"] < LATER
    assert said(decide(owner, job, pods=(old, new)), "Running")["reason"] == "PodPending"


PROMOTED = {"compareWith": "Promoted", "promoted": {"name": "base"}}


def test_waiting_for_what_serves_now() -> None:
    plan = decide(job_owner(task="Instruction", evaluation=PROMOTED))
    assert plan.apply == ()
    assert said(plan, "Running")["reason"] == "WaitingForPromoted"
    assert "'base' does not exist" in said(plan, "Running")["message"]
    assert [(event.type, event.reason) for event in plan.events] == [("Normal", "WaitingForPromoted")]


def test_the_promoted_artifact_is_staged_with_its_own_secret() -> None:
    promoted = other_job(**DONE)
    promoted["spec"]["output"]["secretRef"] = {"name": "theirs"}
    plan = decide(job_owner(task="Instruction", evaluation=PROMOTED), promoted=promoted)
    config, job = (next(child for child in plan.apply if child["kind"] == kind) for kind in ("ConfigMap", "Job"))
    prefix = names.secret_env_prefix("theirs")
    told = json.loads(config["data"]["run.json"])["evaluation"]["promoted"]
    assert told == {"uri": "s3://bank/out/1", "digest": DIGEST, "credentials": prefix}
    steps = {entry["name"]: entry for entry in job["spec"]["template"]["spec"]["initContainers"]}
    assert prefix in [source["prefix"] for source in steps["stage"]["envFrom"]]


def test_an_artifact_of_another_task_is_not_comparable() -> None:
    plan = decide(job_owner(task="Classification", evaluation=PROMOTED), promoted=other_job(**DONE))
    assert plan.apply == ()
    assert said(plan, "Accepted")["reason"] == "PromotedNotComparable"
    assert "spec.evaluation.promoted" in said(plan, "Accepted")["message"]


def test_a_job_that_runs_does_not_look_back() -> None:
    owner = job_owner(task="Instruction", evaluation=PROMOTED)
    world = job_world(owner, promoted=other_job(**DONE))
    world.step()
    (job,) = world.of_kind("Job")
    assert said(decide(owner, job), "Accepted")["status"] == "True"
