"""Decisions about FineTuneJobs, as tables and properties."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api import names
from banktuner_api.exit_codes import FINAL, RETRYABLE, ExitCode
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_operator.plan import conditions, outcome, waiting
from banktuner_operator.plan.finetune import plan_fine_tune_job, retry_delay
from banktuner_operator.plan.finetune_status import evaluate
from banktuner_operator.plan.types import FineTuneSnapshot, Plan
from tests.unit.operator_samples import DIGEST, NOW, SETTINGS, UID, Json, World, job_owner, job_world

LATER = "2026-11-21T11:00:00Z"
SPEC = FineTuneJobSpec.model_validate(job_owner()["spec"])


def live_job(owner: Json, *conditions_true: str, attempt: int = 1, **status: Any) -> Json:
    """The Job of an attempt, with conditions that hold since an hour."""
    (job,) = [child for child in job_world(owner).step().apply if child["kind"] == "Job"]
    job["metadata"] |= {"uid": f"job-{attempt}", "name": names.child_name("card", UID, str(attempt))}
    job["metadata"]["labels"][names.LABEL_ATTEMPT] = str(attempt)
    found = [{"type": kind, "status": "True", "lastTransitionTime": LATER} for kind in conditions_true]
    return job | {"status": {"conditions": found} | status}


def pod(owner_job: Json, *containers: tuple[str, Json], **status: Any) -> Json:
    """A pod of a Job; containers as (name, state)."""
    reference = {"kind": "Job", "uid": owner_job["metadata"]["uid"], "controller": True}
    found = [{"name": name, "state": state} for name, state in containers]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "ownerReferences": [reference], "creationTimestamp": LATER, "labels": {}},
        "status": {"containerStatuses": found} | status,
    }


def ended(code: int, message: str = "", reason: str = "Error") -> Json:
    return {"terminated": {"exitCode": code, "message": message, "reason": reason}}


def decide(owner: Json, *jobs: Json, pods: tuple[Json, ...] = (), **snapshot: Any) -> Plan:
    return plan_fine_tune_job(FineTuneSnapshot(owner, jobs, pods, **snapshot), NOW, SETTINGS)


def said(plan: Plan, kind: str) -> Json:
    assert plan.status is not None
    return next(entry for entry in plan.status["conditions"] if entry["type"] == kind)


def kinds(plan: Plan) -> list[str]:
    return sorted(child["kind"] for child in plan.apply)


def test_a_new_job_gets_its_children() -> None:
    plan = decide(job_owner())
    assert kinds(plan) == ["ConfigMap", "Job", "NetworkPolicy"]
    assert plan.status is not None
    assert plan.status["attempts"] == 1 and plan.status["phase"] == "Pending"
    assert [entry["type"] for entry in plan.status["conditions"]] == [
        "Accepted",
        "Suspended",
        "Running",
        "ArtifactReady",
        "EvaluationPassed",
        "Complete",
        "Failed",
    ]
    assert all(entry["observedGeneration"] == 1 for entry in plan.status["conditions"])


def test_a_job_on_its_way_out_is_left_alone() -> None:
    owner = job_owner()
    owner["metadata"]["deletionTimestamp"] = LATER
    assert decide(owner) == Plan()


def test_a_spec_from_another_version_is_refused_by_field() -> None:
    owner = job_owner()
    owner["spec"]["lora"] = {"rank": 0}
    plan = decide(owner)
    assert said(plan, "Accepted")["reason"] == "InvalidSpec"
    assert "spec.lora.rank" in said(plan, "Accepted")["message"]
    assert plan.apply == ()


@pytest.mark.parametrize("code", sorted(FINAL))
def test_final_codes_end_the_job(code: ExitCode) -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    message = json.dumps({"reason": "Why", "message": "because", "field": "spec.dataset.uri"})
    plan = decide(owner, job, pods=(pod(job, ("trainer", ended(code, message))),))
    assert said(plan, "Failed") | {"lastTransitionTime": ""} == {
        "type": "Failed",
        "status": "True",
        "reason": "Why",
        "message": "attempt 1: spec.dataset.uri: because",
        "observedGeneration": 1,
        "lastTransitionTime": "",
    }
    assert plan.status is not None and plan.status["phase"] == "Failed"
    assert plan.apply == () and plan.requeue_after is None


@pytest.mark.parametrize("code", [*sorted(RETRYABLE), 137, 143])
def test_other_codes_get_another_attempt(code: int) -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    plan = decide(owner, job, pods=(pod(job, ("trainer", ended(code))),))
    assert kinds(plan) == ["ConfigMap", "Job", "NetworkPolicy"]
    (following,) = [child for child in plan.apply if child["kind"] == "Job"]
    assert following["metadata"]["name"].endswith("-2")
    assert plan.status is not None and plan.status["attempts"] == 2


def test_attempts_are_exhausted() -> None:
    owner = job_owner(backoffLimit=0)
    job = live_job(owner, "Failed")
    plan = decide(owner, job, pods=(pod(job, ("trainer", ended(ExitCode.INTERRUPTED))),))
    assert said(plan, "Failed")["reason"] == "Interrupted"


def test_a_lost_pod_gets_another_attempt() -> None:
    owner = job_owner()
    assert [child["kind"] for child in decide(owner, live_job(owner, "Failed")).apply].count("Job") == 1


def test_a_suspended_job_gets_no_further_attempt() -> None:
    owner = job_owner(suspend=True)
    plan = decide(owner, live_job(owner | {"spec": job_owner()["spec"]}, "Failed"))
    assert plan.apply == () and said(plan, "Suspended")["status"] == "True"


def test_the_next_attempt_waits() -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    job["status"]["conditions"][0]["lastTransitionTime"] = (NOW - timedelta(seconds=3)).isoformat()
    plan = decide(owner, job)
    assert plan.apply == () and plan.requeue_after == pytest.approx(7)
    assert said(plan, "Running")["reason"] == "RetryBackoff"


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 10), (2, 20), (5, 160), (7, 360), (20, 360)])
def test_delays_double_up_to_a_limit(attempt: int, seconds: float) -> None:
    assert retry_delay(attempt, 10) == seconds


def test_out_of_memory_names_what_to_change() -> None:
    owner = job_owner(training={"batchSize": 64}, resources={"memory": "8Gi"})
    job = live_job(owner, "Failed")
    plan = decide(owner, job, pods=(pod(job, ("trainer", ended(137, reason="OOMKilled"))),))
    assert said(plan, "Failed")["reason"] == "OutOfMemory"
    for words in ("spec.resources.memory 8Gi -> 12Gi", "batchSize 64 -> 32 with gradientAccumulationSteps 1 -> 2"):
        assert words in said(plan, "Failed")["message"]


def test_a_full_disk_is_final() -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    full = pod(job, reason="Evicted", message='Usage of EmptyDir volume "work" exceeds the limit "1Gi".')
    plan = decide(owner, job, pods=(full,))
    assert said(plan, "Failed")["reason"] == "DiskFull"
    assert "spec.resources.ephemeralStorage" in said(plan, "Failed")["message"]


def test_a_full_disk_names_the_numbers() -> None:
    owner = job_owner(resources={"ephemeralStorage": "3Gi"}, checkpoint={"keepLast": 4})
    job = live_job(owner, "Failed")
    full = pod(
        job, reason="Evicted", message="Pod ephemeral local storage usage exceeds the total limit of containers."
    )
    message = said(decide(owner, job, pods=(full,)), "Failed")["message"]
    assert "raise it (3Gi)" in message and "checkpoints (4 are kept)" in message


def test_a_node_that_ran_short_is_not_the_jobs_fault() -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    short = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi."
    plan = decide(owner, job, pods=(pod(job, reason="Evicted", message=short),))
    assert said(plan, "Failed")["status"] == "False" and "Job" in kinds(plan)


def test_memory_of_a_helper_is_not_the_users() -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    killed = pod(job, initContainerStatuses=[{"name": "stage", "state": ended(137, reason="OOMKilled")}])
    message = said(decide(owner, job, pods=(killed,)), "Failed")["message"]
    assert "stage needed more memory" in message and "spec.resources" not in message


def test_a_deadline_is_final() -> None:
    owner = job_owner(activeDeadlineSeconds=60)
    job = live_job(owner, "Failed")
    job["status"]["conditions"][0]["reason"] = "DeadlineExceeded"
    plan = decide(owner, job)
    assert said(plan, "Failed")["reason"] == "DeadlineExceeded"
    assert "spec.activeDeadlineSeconds" in said(plan, "Failed")["message"]


@pytest.mark.parametrize("message", ["", "not json", '{"reason": "lower", "message": ""}'])
def test_words_that_are_no_failure_do_not_hide_the_code(message: str) -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    plan = decide(owner, job, pods=(pod(job, ("trainer", ended(ExitCode.DIVERGED, message))),))
    assert said(plan, "Failed")["reason"] == "Diverged"
    assert "exit code 71" in said(plan, "Failed")["message"]


def test_the_newest_pod_speaks() -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    old = pod(job, ("trainer", ended(ExitCode.INVALID_DATA)))
    old["metadata"]["creationTimestamp"] = "2026-11-21T10:00:00Z"
    new = pod(job, ("trainer", ended(ExitCode.DIVERGED)))
    assert said(decide(owner, job, pods=(old, new)), "Failed")["reason"] == "Diverged"


def test_pods_of_others_are_not_heard() -> None:
    owner = job_owner()
    job = live_job(owner, "Failed")
    foreign = pod({"metadata": {"uid": "somebody"}}, ("trainer", ended(ExitCode.INVALID_DATA)))
    assert outcome.of_job(job, [], SPEC) is not None
    assert said(decide(owner, job, pods=(foreign,)), "Failed")["status"] == "False"


def test_a_finished_job_never_changes() -> None:
    owner = job_owner()
    owner["status"] = {"conditions": [{"type": "Complete", "status": "True"}], "completionTime": LATER}
    assert decide(owner) == Plan()


def test_a_finished_job_is_deleted_after_its_time() -> None:
    owner = job_owner(ttlSecondsAfterFinished=7200)
    owner["status"] = {"conditions": [{"type": "Failed", "status": "True"}], "completionTime": LATER}
    assert decide(owner) == Plan(requeue_after=3600)
    owner["spec"]["ttlSecondsAfterFinished"] = 60
    (gone,) = decide(owner).delete
    assert (gone.kind, gone.name, gone.uid) == ("FineTuneJob", "card", UID)


def test_the_status_may_be_behind_the_jobs() -> None:
    """A crash after the Job of attempt 2 was made: status still says 1."""
    owner = job_owner()
    owner["status"] = {"attempts": 1, "conditions": []}
    plan = decide(owner, live_job(owner, "Failed"), live_job(owner, attempt=2))
    assert plan.status is not None and plan.status["attempts"] == 2
    assert "Job" not in kinds(plan)


def test_a_deleted_job_keeps_its_attempt() -> None:
    owner = job_owner()
    owner["status"] = {"attempts": 3, "conditions": []}
    (job,) = [child for child in decide(owner).apply if child["kind"] == "Job"]
    assert job["metadata"]["labels"][names.LABEL_ATTEMPT] == "3"


def test_a_suspended_job_takes_new_resources_by_being_made_again() -> None:
    job = live_job(job_owner())
    job["spec"]["suspend"] = True
    owner = job_owner(suspend=True, resources={"memory": "64Gi"})
    (gone,) = decide(owner, job).delete
    assert gone.uid == "job-1"
    job["status"]["active"] = 1  # its pod is still ending
    assert decide(owner, job).delete == ()


def test_attempts_never_go_down() -> None:
    owner = job_owner(suspend=True)
    owner["status"] = {"attempts": 2, "conditions": []}
    plan = decide(owner)
    assert plan.status is not None and plan.status["attempts"] == 2 and plan.apply == ()


def test_a_running_job_keeps_its_template_whatever_the_settings_say() -> None:
    owner = job_owner()
    world = job_world(owner)
    world.step()
    images = SETTINGS.images.model_copy(update={"trainer": "example/trainer:2"})
    snapshot = FineTuneSnapshot(
        world.owner, world.of_kind("Job"), (), world.of_kind("ConfigMap"), world.of_kind("NetworkPolicy")
    )
    plan = plan_fine_tune_job(snapshot, NOW, SETTINGS.model_copy(update={"images": images}))
    assert plan.apply == () and plan.delete == ()


def other_job(**status: Any) -> Json:
    owner = job_owner()
    owner["metadata"]["name"] = "base"
    return owner | {"status": status}


ARTIFACT = {
    "uri": "s3://bank/out/1",
    "digest": DIGEST,
    "sizeBytes": 1,
    "task": "Instruction",
    "method": "Full",
    "modelDigest": DIGEST,
    "servedAs": "Merged",
}
DONE = {"conditions": [{"type": "ArtifactReady", "status": "True"}], "artifact": ARTIFACT}
BROKEN = {"conditions": [{"type": "Failed", "status": "True", "reason": "Diverged", "message": "NaN"}]}


@pytest.mark.parametrize(
    ("base", "words"),
    [
        (None, "does not exist"),
        (other_job(), "has not committed its artifact yet"),
        (other_job(**BROKEN), "failed (Diverged: NaN)"),
    ],
)
def test_waiting_for_the_model(base: Json | None, words: str) -> None:
    plan = decide(job_owner(model={"fineTuneJob": {"name": "base"}}), base=base)
    assert plan.apply == ()
    assert said(plan, "Running")["reason"] == "WaitingForModel"
    assert words in said(plan, "Running")["message"]
    assert said(plan, "Accepted")["status"] == "True"
    assert [(event.type, event.reason) for event in plan.events] == [("Normal", "WaitingForModel")]


def test_the_model_of_another_job() -> None:
    plan = decide(job_owner(model={"fineTuneJob": {"name": "base"}}), base=other_job(**DONE))
    (config,) = [child for child in plan.apply if child["kind"] == "ConfigMap"]
    model = json.loads(config["data"]["run.json"])["model"]
    assert model == {"uri": "s3://bank/out/1", "digest": DIGEST, "credentials": names.secret_env_prefix("s3")}


def test_obstacles_are_told_and_nothing_is_written() -> None:
    plan = decide(job_owner(), obstacle=conditions.false("NameConflict", "ConfigMap/x exists"))
    assert said(plan, "Accepted")["reason"] == said(plan, "Running")["reason"] == "NameConflict"
    assert plan.apply == ()


@pytest.mark.parametrize(
    ("state", "reason", "phase"),
    [
        (pod_state, reason, phase)
        for pod_state, reason, phase in [
            ({"initContainerStatuses": [{"name": "stage", "state": {"running": {}}}]}, "Staging", "Staging"),
            ({"containerStatuses": [{"name": "trainer", "state": {"running": {}}}]}, "Running", "Running"),
            ({}, "Starting", "Pending"),
        ]
    ],
)
def test_what_the_pod_does(state: Json, reason: str, phase: str) -> None:
    owner = job_owner()
    job = live_job(owner)
    plan = decide(owner, job, pods=(pod(job, **state),))
    assert said(plan, "Running")["reason"] == reason
    assert plan.status is not None and plan.status["phase"] == phase


@pytest.mark.parametrize(
    ("attempt", "reason", "phase"), [(1, "ObjectStoreUnavailable", "Publishing"), (2, "Running", "Running")]
)
def test_what_the_pod_tells_counts_for_its_attempt(attempt: int, reason: str, phase: str) -> None:
    owner = job_owner()
    told = {"phase": "Publishing", "reason": "ObjectStoreUnavailable", "message": "retrying", "attempt": attempt}
    owner["status"] = {"attempts": 1, "conditions": [], "activity": told}
    job = live_job(job_owner())
    plan = decide(owner, job, pods=(pod(job, ("trainer", {"running": {}})),))
    assert said(plan, "Running")["reason"] == reason
    assert plan.status is not None and plan.status["phase"] == phase


SECRETS = [("spec.dataset.secretRef", "data"), ("spec.output.secretRef", "data"), ("spec.model.secretRef", "s3")]


@pytest.mark.parametrize(
    ("waits", "reason", "words"),
    [
        (
            ("CreateContainerConfigError", 'secret "data" not found'),
            "SecretMissing",
            "spec.dataset.secretRef, spec.output",
        ),
        (("ImagePullBackOff", "Back-off pulling"), "ImagePull", "administrator"),
        (("ErrImageNeverPull", "not present"), "ImagePull", "not present"),
        (("CrashLoopBackOff", "back-off 10s"), "CrashLoopBackOff", "keeps ending"),
        (("CreateContainerError", "no space"), "CreateContainerError", "no space"),
        (("strange-reason", "x"), "ContainerWaiting", "x"),
    ],
)
def test_why_containers_wait(waits: tuple[str, str], reason: str, words: str) -> None:
    status = {"name": "stage", "image": "i", "state": {"waiting": {"reason": waits[0], "message": waits[1]}}}
    check = waiting.of_pod({"status": {"initContainerStatuses": [status]}}, SECRETS)
    assert check is not None and check.reason == reason and words in check.message


@pytest.mark.parametrize("reason", ["PodInitializing", "ContainerCreating"])
def test_containers_that_just_start(reason: str) -> None:
    status = {"name": "stage", "state": {"waiting": {"reason": reason}}}
    assert waiting.of_pod({"status": {"containerStatuses": [status]}}, SECRETS) is None


def test_no_node() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes: Insufficient nvidia.com/gpu"}
    check = waiting.of_pod({"status": {"conditions": [condition]}}, SECRETS)
    assert check is not None and check.reason == "Unschedulable" and "nvidia.com/gpu" in check.message


@pytest.mark.parametrize(
    ("messages", "reason"),
    [((), "PodPending"), (("exceeded quota: x",), "QuotaExceeded"), (("violates PodSecurity",), "PodNotCreated")],
)
def test_no_pod(messages: tuple[str, ...], reason: str) -> None:
    assert waiting.of_no_pod(messages).reason == reason


@pytest.mark.parametrize(
    ("bounds", "value", "holds"),
    [
        ({"atLeast": 0.9}, "0.9", True),
        ({"atLeast": 0.9}, "0.89", False),
        ({"atMost": 2}, "2", True),
        ({"atMost": 2}, "2.1", False),
        ({"atLeast": 0.9}, "nan", False),
        ({"atMost": 2}, "nan", False),
        ({"atMost": 2}, "inf", False),
    ],
)
def test_thresholds(bounds: Json, value: str, holds: bool) -> None:
    evaluation = {"thresholds": [{"metric": "m"} | bounds]}
    spec = FineTuneJobSpec.model_validate(job_owner(evaluation=evaluation)["spec"])
    assert spec.evaluation is not None
    assert (evaluate(spec.evaluation.thresholds, {"m": value}).status == "True") is holds


def test_transition_times_move_with_the_status_only() -> None:
    before = [
        {"type": "A", "status": "True", "reason": "Old", "message": "", "lastTransitionTime": LATER},
        {"type": "B", "status": "True", "reason": "Old", "message": "", "lastTransitionTime": LATER},
    ]
    checks = {"A": conditions.true("New"), "B": conditions.false("New"), "C": conditions.unknown("New")}
    times = [entry["lastTransitionTime"] for entry in conditions.merge(before, checks, 2, NOW)]
    assert times == [LATER, "2026-11-21T12:00:00Z", "2026-11-21T12:00:00Z"]


@given(st.text(max_size=3000))
def test_messages_fit(message: str) -> None:
    (condition,) = conditions.merge([], {"A": conditions.true("Why", message)}, 1, NOW)
    assert len(condition["message"]) <= 1024


specs = st.fixed_dictionaries(
    {
        "method": st.sampled_from(list(Method)),
        "task": st.sampled_from(["Instruction", "Classification"]),
        "nodes": st.integers(1, 3),
        "tracking": st.sampled_from([{}, {"mlflow": {"uri": "http://mlflow:5000", "secretRef": {"name": "m"}}}]),
        "suspend": st.booleans(),
        "backoffLimit": st.integers(0, 20),
        "activeDeadlineSeconds": st.none() | st.integers(1, 100_000),
        "profile": st.sampled_from([None, "gpu", "unknown"]),
        "resources": st.fixed_dictionaries({"gpus": st.integers(0, 8), "memory": st.sampled_from(["1Gi", "1500M"])}),
        "model": st.sampled_from([{"uri": "s3://bank/model"}, {"fineTuneJob": {"name": "base"}}]),
    }
)
bases = st.sampled_from([None, other_job(), other_job(**DONE), other_job(**BROKEN)])


@given(specs, bases)
def test_planning_again_changes_nothing(spec: Json, base: Json | None) -> None:
    world = job_world(job_owner(**spec), base)
    for _ in range(3):
        world.step()
    before = (world.owner, dict(world.children))
    plan = world.step()
    assert plan.apply == () and plan.delete == () and plan.events == ()
    assert (world.owner, world.children) == before


@given(specs, bases, st.data())
def test_a_lost_child_comes_back_the_same(spec: Json, base: Json | None, data: st.DataObject) -> None:
    world: World = job_world(job_owner(**spec), base)
    world.step()
    world.step()
    if not world.children:
        return
    shape = {key: without_uid(live) for key, live in world.children.items()}
    world.children.pop(data.draw(st.sampled_from(sorted(world.children))))
    world.step()
    world.step()
    assert {key: without_uid(live) for key, live in world.children.items()} == shape


def without_uid(live: Json) -> Json:
    return live | {"metadata": {key: value for key, value in live["metadata"].items() if key != "uid"}}
