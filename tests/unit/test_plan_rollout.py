"""A new version of an adapter on its way to all conversations, or back: spec.rollout, decision by decision."""

import copy
import json
from datetime import timedelta
from typing import Any

import pytest

from banktuner_api import names
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import ModelSnapshot, Plan
from tests.unit.operator_samples import DIGEST, NOW, SETTINGS, Json, World, model_owner

OLD, NEW, NEXT = DIGEST, "sha256:" + "cd" * 32, "sha256:" + "ef" * 32
ROLLOUT = {"canaryPercent": 10, "bakeSeconds": 300}


def wealth(digest: str, secret: str = "s3") -> Json:
    return {"name": "wealth", "uri": "s3://bank/wealth", "digest": digest, "secretRef": {"name": secret}}


def artifact_job(digest: str | None, passed: str = "True") -> Json:
    """A FineTuneJob; None: it has not published yet."""
    ready = [
        {"type": "ArtifactReady", "status": "True", "reason": "Committed"},
        {"type": "EvaluationPassed", "status": passed, "reason": "X", "message": ""},
    ]
    artifact = {
        "uri": f"s3://bank/{digest}",
        "digest": digest,
        "sizeBytes": 1,
        "task": "Instruction",
        "method": "LoRA",
        "modelDigest": OLD,
        "servedAs": "Adapter",
    }
    spec = {
        "task": "Instruction",
        "method": "LoRA",
        "model": {"uri": "s3://bank/model"},
        "dataset": {"uri": "s3://bank/train.jsonl"},
        "output": {"uri": "s3://bank/out", "secretRef": {"name": "s3"}},
    }
    return {"spec": spec, "status": {"conditions": ready, "artifact": artifact} if digest else {}}


class Story:
    """A BankingModel with two engine pods that tell what the test says. It begins with OLD loaded everywhere."""

    def __init__(self, **spec: Any) -> None:
        asked = {"engine": "VLLM", "replicas": 2, "rollout": ROLLOUT, "adapters": [wealth(OLD)]} | spec
        self.now, self.jobs = NOW, dict[str, Json]()
        self.pods = [self._pod("a"), self._pod("b")]
        self.world = World(model_owner(**asked), lambda _: self.decide())

    def _pod(self, name: str) -> Json:
        return {"metadata": {"name": name, "labels": {names.LABEL_COMPONENT: "engine"}}, "status": {}}

    def begin(self) -> "Story":
        self.step()
        return self.tell({OLD: "Ready"})

    def decide(self) -> Plan:
        children = tuple(self.world.children.values())
        return plan_banking_model(
            ModelSnapshot(self.world.owner, children, tuple(self.pods), self.jobs), self.now, SETTINGS
        )

    def step(self, seconds: float = 0) -> Json:
        """Time passes, one reconciliation; then another changes nothing. What the pods are told."""
        self.now += timedelta(seconds=seconds)
        plan = self.world.step()
        again = self.decide()
        assert again.apply == ()
        assert again.status == plan.status
        return self.desired

    def crash(self) -> Json:
        """The operator ends after the children and before status."""
        before = copy.deepcopy(self.world.owner)
        self.world.step()
        self.world.owner = before
        return self.desired

    @property
    def desired(self) -> Json:
        (config_map,) = self.world.of_kind("ConfigMap")
        found: Json = json.loads(config_map["data"][names.DESIRED_KEY])
        return found

    def want(self, **change: Any) -> "Story":
        self.world.owner = copy.deepcopy(self.world.owner)
        spec = self.world.owner["spec"]
        spec |= change
        self.world.owner["spec"] = {key: value for key, value in spec.items() if value is not None}
        return self

    def tell(self, states: dict[str, str], pods: str = "ab") -> "Story":
        self.world.owner = copy.deepcopy(self.world.owner)
        told = [
            {"name": "wealth", "digest": digest, "state": state, "reason": "X", "message": "why"}
            for digest, state in states.items()
        ]
        instances = {entry["pod"]: entry for entry in self.world.owner["status"].get("instances", [])}
        instances |= {pod: {"pod": pod, "adapters": told} for pod in pods}
        self.world.owner["status"]["instances"] = list(instances.values())
        return self

    @property
    def rollout(self) -> Json | None:
        found = self.world.owner["status"]["rollouts"]
        assert len(found) <= 1
        return found[0] if found else None

    def condition(self, kind: str) -> tuple[str, str]:
        found = next(entry for entry in self.world.owner["status"]["conditions"] if entry["type"] == kind)
        return found["status"], found["reason"]


def versions(desired: Json) -> tuple[list[str], list[tuple[str, int]]]:
    """Digests that answer, and (digest, percent) of those that are tried."""
    answering = [entry["digest"] for entry in desired["adapters"]]
    return answering, [(entry["digest"], entry["percent"]) for entry in desired["canaries"]]


def baking() -> Story:
    story = Story().begin()
    story.want(adapters=[wealth(NEW)]).step()
    story.tell({OLD: "Ready", NEW: "Ready"}).step()
    return story


def test_a_new_version_is_loaded_then_tried_then_answers() -> None:
    story = Story().begin()
    assert versions(story.step()) == ([OLD], [])
    story.want(adapters=[wealth(NEW)])
    assert versions(story.step()) == ([OLD], [(NEW, 0)])
    assert story.rollout and story.rollout["state"] == "Loading"
    story.tell({OLD: "Ready", NEW: "Ready"}, "a")
    assert versions(story.step(100)) == ([OLD], [(NEW, 0)]), "one pod of two"
    story.tell({OLD: "Ready", NEW: "Ready"})
    assert versions(story.step(1)) == ([OLD], [(NEW, 10)])
    assert (story.rollout["state"], story.rollout["since"]) == ("Baking", "2026-11-21T12:01:41Z")
    assert story.condition("AdaptersReady") == ("True", "RollingOut")
    assert story.world.owner["status"]["adapters"][0]["digest"] == OLD
    assert versions(story.step(299)) == ([OLD], [(NEW, 10)])
    assert story.decide().requeue_after == 1
    assert versions(story.step(1)) == ([NEW], [])
    assert story.rollout is None
    assert (story.world.owner["status"]["adapters"][0]["digest"], story.condition("AdaptersReady")) == (
        NEW,
        ("True", "Loaded"),
    )


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rollout": None}, "without a rollout"),
        ({"replicas": 0}, "nothing answers that could be spoilt"),
    ],
)
def test_a_new_version_that_answers_at_once(change: Json, why: str) -> None:
    story = Story().begin()
    if "replicas" in change:
        story.pods = []
    assert versions(story.want(adapters=[wealth(NEW)], **change).step()) == ([NEW], []), why
    assert story.rollout is None


def test_a_version_that_does_not_answer_is_replaced_at_once() -> None:
    story = Story().begin().tell({OLD: "Failed"})
    assert versions(story.want(adapters=[wealth(NEW)]).step()) == ([NEW], [])


def crash_loop(story: Story) -> None:
    story.pods[1]["status"] = {
        "containerStatuses": [{"name": "engine", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    }


def staging(story: Story) -> None:
    failure = {"reason": "BaseModelMismatch", "message": "of another model", "field": "spec.adapters[wealth]"}
    ended = {"exitCode": 3, "message": json.dumps(failure)}
    story.pods[1]["status"] = {"initContainerStatuses": [{"name": "stage-model", "lastState": {"terminated": ended}}]}


def loading(story: Story) -> None:
    story.tell({OLD: "Ready", NEW: "Failed"}, "b")


@pytest.mark.parametrize("begin_baking", [False, True])
@pytest.mark.parametrize(
    ("fail", "reason"), [(loading, "X"), (staging, "BaseModelMismatch"), (crash_loop, "CrashLoopBackOff")]
)
def test_a_version_that_cannot_be_loaded_is_taken_back_for_good(begin_baking: bool, fail: Any, reason: str) -> None:
    story = baking()
    if not begin_baking:
        story = Story().begin()
        story.want(adapters=[wealth(NEW)]).step()
    fail(story)
    plan = story.decide()
    assert [event.type for event in plan.events if event.reason == "RolledBack"] == ["Warning"]
    assert versions(story.step()) == ([OLD], [])
    assert story.rollout and (story.rollout["state"], story.rollout["reason"]) == ("RolledBack", reason)
    assert story.condition("AdaptersReady") == ("False", "RolledBack")
    story.pods = [story._pod("a"), story._pod("b")]
    story.tell({OLD: "Ready"})
    assert versions(story.step(10_000)) == ([OLD], []), "what failed is not tried again by itself"
    assert versions(story.want(adapters=[wealth(NEXT)]).step()) == ([OLD], [(NEXT, 0)])


def test_a_version_that_was_taken_back_is_tried_again_when_asked_for_anew() -> None:
    story = baking()
    loading(story)
    story.step()
    story.tell({OLD: "Ready"}).want(adapters=[wealth(OLD)])
    assert versions(story.step()) == ([OLD], [])
    assert story.rollout is None
    assert story.condition("AdaptersReady") == ("True", "Loaded")
    assert versions(story.want(adapters=[wealth(NEW)]).step()) == ([OLD], [(NEW, 0)])


def test_a_version_that_was_taken_back_is_served_at_once_without_a_rollout() -> None:
    story = baking()
    loading(story)
    story.step()
    assert versions(story.want(rollout=None).step()) == ([NEW], [])
    assert story.rollout is None


def test_a_pod_without_the_new_version_stops_its_share_and_its_time() -> None:
    story = baking()
    story.step(200)
    story.tell({OLD: "Ready", NEW: "Loading"}, "b")
    assert versions(story.step(1)) == ([OLD], [(NEW, 0)])
    assert story.rollout and "since" not in story.rollout
    story.tell({OLD: "Ready", NEW: "Ready"})
    assert versions(story.step(200)) == ([OLD], [(NEW, 10)])
    assert versions(story.step(299)) == ([OLD], [(NEW, 10)])
    assert versions(story.step(1)) == ([NEW], [])


@pytest.mark.parametrize("moment", ["begin", "bake", "end", "back"])
def test_an_operator_that_ends_before_status_goes_on_where_it_was(moment: str) -> None:
    story = Story().begin()
    story.want(adapters=[wealth(NEW)])
    if moment == "begin":
        story.crash()
    assert versions(story.step()) == ([OLD], [(NEW, 0)])
    story.tell({OLD: "Ready", NEW: "Ready"})
    if moment == "bake":
        story.crash()
    assert versions(story.step()) == ([OLD], [(NEW, 10)])
    story.now += timedelta(seconds=300)
    if moment == "back":
        loading(story)
        assert versions(story.crash()) == ([OLD], [])
        assert versions(story.step()) == ([OLD], [])
        assert story.rollout and story.rollout["state"] == "RolledBack"
        return
    if moment == "end":
        story.crash()
    assert versions(story.step()) == ([NEW], [])
    assert story.rollout is None


def test_an_obstacle_does_not_make_the_operator_forget() -> None:
    story = baking()
    loading(story)
    story.step()
    before = story.rollout
    story.want(profile="unknown").world.step()
    assert story.rollout == before
    story.want(profile=None)
    assert versions(story.step()) == ([OLD], [])


def test_two_versions_need_room_for_both() -> None:
    story = Story(lora={"maxRank": 64, "maxAdapters": 1}).begin()
    assert versions(story.want(adapters=[wealth(NEW)]).step()) == ([OLD], [])
    assert story.rollout and (story.rollout["state"], story.rollout["reason"]) == ("Waiting", "TooManyAdapters")
    assert story.condition("AdaptersReady") == ("False", "TooManyAdapters")
    assert versions(story.want(lora={"maxRank": 64, "maxAdapters": 2}).step()) == ([OLD], [(NEW, 0)])


def test_tgi_starts_anew_for_another_set_of_versions_only() -> None:
    story = Story(engine="TGI").begin()

    def template() -> Json:
        engines = [one for one in story.world.of_kind("Deployment") if one["metadata"]["name"].endswith("engine")]
        found: Json = engines[0]["spec"]["template"]
        return found

    alone = template()
    story.want(adapters=[wealth(NEW)]).step()
    both = template()
    assert both != alone
    environment = {entry["name"]: entry.get("value") for entry in both["spec"]["containers"][0]["env"]}
    assert [part.partition("=")[0] for part in environment["LORA_ADAPTERS"].split(",")] == [
        names.served_name("wealth", OLD),
        names.served_name("wealth", NEW),
    ]
    story.tell({OLD: "Ready", NEW: "Ready"})
    assert versions(story.step()) == ([OLD], [(NEW, 10)])
    assert template() == both
    story.step(300)
    assert template() != both


def test_the_secret_of_the_version_that_answers_stays_as_long_as_it_answers() -> None:
    story = Story().begin()
    story.want(adapters=[wealth(NEW, "other")]).step()
    assert _secrets(story) == {"s3", "other"}
    story.tell({OLD: "Ready", NEW: "Ready"}).step()
    assert _secrets(story) == {"s3", "other"}


def _secrets(story: Story) -> set[str]:
    engines = [one for one in story.world.of_kind("Deployment") if one["metadata"]["name"].endswith("engine")]
    steps = engines[0]["spec"]["template"]["spec"]["initContainers"]
    return {source["secretRef"]["name"] for step in steps for source in step.get("envFrom", [])}


def of_job(name: str) -> list[Json]:
    return [{"name": "wealth", "fineTuneJob": {"name": name}}]


def test_the_version_that_answers_goes_on_while_the_next_one_is_trained() -> None:
    story = Story(adapters=of_job("first"))
    story.jobs = {"first": artifact_job(OLD)}
    story.begin()
    story.jobs |= {"second": artifact_job(None)}
    assert versions(story.want(adapters=of_job("second")).step()) == ([OLD], [])
    assert story.rollout and (story.rollout["state"], story.rollout["reason"]) == ("Waiting", "WaitingForFineTuneJob")
    story.jobs |= {"second": artifact_job(NEW, passed="False")}
    assert versions(story.step()) == ([OLD], [])
    assert story.rollout["reason"] == "EvaluationNotPassed"
    story.jobs |= {"second": artifact_job(NEW)}
    assert versions(story.step()) == ([OLD], [(NEW, 0)])


def test_both_versions_outlive_their_jobs() -> None:
    story = Story(adapters=of_job("first"))
    story.jobs = {"first": artifact_job(OLD)}
    story.begin()
    story.jobs |= {"second": artifact_job(NEW)}
    story.want(adapters=of_job("second")).step()
    story.jobs = {}
    assert versions(story.step()) == ([OLD], [(NEW, 0)])
    story.tell({OLD: "Ready", NEW: "Ready"}).step()
    assert versions(story.step(300)) == ([NEW], [])
    assert versions(story.step()) == ([NEW], [])
