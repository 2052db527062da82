"""Decisions about BankingModels, as tables and properties."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api import names
from banktuner_operator.plan import conditions
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import ModelSnapshot, Plan
from tests.unit.operator_samples import DIGEST, NOW, SETTINGS, UID, Json, gateway, model_owner, model_world

OTHER = "sha256:" + "cd" * 32
ARTIFACT = {
    "uri": "s3://bank/out/1",
    "digest": OTHER,
    "sizeBytes": 1,
    "task": "Instruction",
    "method": "LoRA",
    "rank": 16,
    "baseModelDigest": DIGEST,
    "modelDigest": OTHER,
    "servedAs": "Adapter",
}


def job(passed: str = "True", **artifact: Any) -> Json:
    """A finished FineTuneJob."""
    ready = [
        {"type": "ArtifactReady", "status": "True", "reason": "Committed"},
        {"type": "EvaluationPassed", "status": passed, "reason": "X", "message": "accuracy is 0.1"},
    ]
    spec = {
        "task": "Instruction",
        "method": "LoRA",
        "model": {"uri": "s3://bank/model"},
        "dataset": {"uri": "s3://bank/train.jsonl"},
        "output": {"uri": "s3://bank/out", "secretRef": {"name": "models"}},
    }
    return {"spec": spec, "status": {"conditions": ready, "artifact": ARTIFACT | artifact}}


def decide(owner: Json, jobs: dict[str, Json] | None = None, **snapshot: Any) -> Plan:
    seen = ModelSnapshot(owner, snapshot.pop("children", ()), snapshot.pop("pods", ()), jobs or {}, **snapshot)
    return plan_banking_model(seen, NOW, SETTINGS)


def said(plan: Plan, kind: str) -> Json:
    assert plan.status is not None
    return next(entry for entry in plan.status["conditions"] if entry["type"] == kind)


def adapter(plan: Plan, name: str = "cards") -> Json:
    assert plan.status is not None
    return next(entry for entry in plan.status["adapters"] if entry["name"] == name)


def desired(plan: Plan) -> Json:
    (config_map,) = [child for child in plan.apply if child["kind"] == "ConfigMap"]
    return json.loads(config_map["data"][names.DESIRED_KEY])


def of_job(name: str = "cards") -> Json:
    return {"name": name, "fineTuneJob": {"name": name}}


def test_children() -> None:
    plan = decide(model_owner())
    found = sorted((child["kind"], child["metadata"]["name"]) for child in plan.apply)
    prefix = f"assistant-{names.uid_hash(UID)}"
    assert found == [
        ("ConfigMap", f"{prefix}-serving"),
        ("Deployment", f"{prefix}-engine"),
        ("Deployment", f"{prefix}-gateway"),
        ("NetworkPolicy", f"{prefix}-engine"),
        ("NetworkPolicy", f"{prefix}-gateway"),
        ("Service", f"{prefix}-engine"),
        ("Service", "assistant-gateway"),
    ]


def test_the_administrators_engine_is_the_default() -> None:
    assert desired(decide(model_owner()))["engine"] == "TGI"
    assert desired(decide(model_owner(engine="VLLM")))["engine"] == "VLLM"


def test_a_model_on_its_way_out_is_left_alone() -> None:
    owner = model_owner()
    owner["metadata"]["deletionTimestamp"] = "2026-11-21T11:00:00Z"
    assert decide(owner) == Plan()


@pytest.mark.parametrize(
    ("job_live", "state", "reason", "words"),
    [
        (None, "Waiting", "WaitingForFineTuneJob", "does not exist"),
        ({"status": {}, "spec": job()["spec"]}, "Waiting", "WaitingForFineTuneJob", "has not committed"),
        (job(passed="False"), "Failed", "EvaluationNotPassed", "accuracy is 0.1"),
        (job(passed="Unknown"), "Failed", "EvaluationNotPassed", "did not pass"),
        (job(servedAs="Classifier"), "Failed", "NotServable", "a classifier gives no answers"),
        (
            job(servedAs="Merged", method="IA3", rank=None),
            "Failed",
            "NotServable",
            "IA3 left a whole model: name it in",
        ),
        (
            job(servedAs="NotServable", method="PrefixTuning"),
            "Failed",
            "NotServable",
            "what method PrefixTuning learns",
        ),
        (job(servedAs="NotServable", method="Adapter"), "Failed", "NotServable", "tune with LoRA or QLoRA"),
        (job(rank=128), "Failed", "RankTooLarge", "spec.lora.maxRank (64)"),
        (job(), "Loading", "", ""),
    ],
)
def test_adapters_of_jobs(job_live: Json | None, state: str, reason: str, words: str) -> None:
    plan = decide(model_owner(adapters=[of_job()]), {"cards": job_live} if job_live else {})
    found = adapter(plan)
    assert (found["state"], found["reason"]) == (state, reason)
    assert words in found["message"]
    assert [entry["name"] for entry in desired(plan)["adapters"]] == (["cards"] if state == "Loading" else [])


@pytest.mark.parametrize(("trained_on", "state"), [(OTHER, "Loading"), (DIGEST, "Failed"), (None, "Loading")])
def test_an_adapter_goes_with_the_model_it_was_trained_on(trained_on: str | None, state: str) -> None:
    base = job(servedAs="Merged", rank=None, modelDigest=OTHER)
    cards = job(baseModelDigest=trained_on)
    if trained_on is None:
        del cards["status"]["artifact"]["baseModelDigest"]
    owner = model_owner(model={"fineTuneJob": {"name": "base"}}, adapters=[of_job()])
    plan = decide(owner, {"base": base, "cards": cards})
    assert adapter(plan)["state"] == state
    assert adapter(plan)["reason"] == ("BaseModelMismatch" if state == "Failed" else "")


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"dtype": "FP32"}, True),
        ({"dtype": "BF16", "quantization": "FP8"}, True),
        ({"dtype": "BF16"}, False),
        ({"quantization": "FP8"}, False),
    ],
)
def test_options_that_tgi_does_not_have(options: Json, refused: bool) -> None:
    plan = decide(model_owner(engine="TGI", engineOptions=options))
    assert (said(plan, "Accepted")["reason"] == "UnsupportedOption") is refused
    assert (plan.apply == ()) is refused
    assert said(decide(model_owner(engine="VLLM", engineOptions=options)), "Accepted")["status"] == "True"


@pytest.mark.parametrize(
    ("engine", "gpus", "state"), [("TGI", 0, "Failed"), ("TGI", 1, "Loading"), ("VLLM", 0, "Loading")]
)
def test_tgi_takes_adapters_on_a_gpu_only(engine: str, gpus: int, state: str) -> None:
    plan = decide(model_owner(engine=engine, resources={"gpus": gpus}))
    assert adapter(plan, "wealth")["state"] == state
    assert adapter(plan, "wealth")["reason"] == ("NeedsGpu" if state == "Failed" else "")


def test_obstacles_are_told_and_nothing_is_written() -> None:
    plan = decide(model_owner(), obstacle=conditions.false("ChildRefused", "quota"))
    assert said(plan, "Accepted")["reason"] == said(plan, "Ready")["reason"] == "ChildRefused"
    assert plan.apply == ()


def test_more_adapters_than_the_engine_takes() -> None:
    entries = [{"name": f"a{index}", "uri": "s3://bank/a", "digest": DIGEST} for index in range(3)]
    plan = decide(model_owner(adapters=entries, lora={"maxAdapters": 2}))
    assert [entry["name"] for entry in desired(plan)["adapters"]] == ["a0", "a1"]
    assert adapter(plan, "a2")["reason"] == "TooManyAdapters"


@pytest.mark.parametrize(
    ("live", "accepted", "reason"),
    [
        ({}, "True", "WaitingForModel"),
        ({"base": job(servedAs="Adapter")}, "False", "ModelNotUsable"),
        ({"base": job(passed="False", servedAs="Merged", rank=None)}, "False", "EvaluationNotPassed"),
    ],
)
def test_a_model_that_is_not_there(live: dict[str, Json], accepted: str, reason: str) -> None:
    plan = decide(model_owner(model={"fineTuneJob": {"name": "base"}}), live)
    assert plan.apply == ()
    assert said(plan, "Accepted")["status"] == accepted
    assert said(plan, "ModelReady")["reason"] == reason
    assert said(plan, "Ready")["status"] == "False"


def test_the_revision_is_of_the_content() -> None:
    first, second = (desired(decide(model_owner())) for _ in range(2))
    assert first == second
    other = model_owner(adapters=[{"name": "wealth", "uri": "s3://bank/wealth", "digest": OTHER}])
    assert desired(decide(other))["revision"] != first["revision"]


def test_every_secret_reaches_those_who_fetch() -> None:
    entries = [of_job(), {"name": "w", "uri": "s3://bank/w", "digest": DIGEST, "secretRef": {"name": "wealth"}}]
    plan = decide(model_owner(adapters=entries), {"cards": job()})
    (engine,) = [c for c in plan.apply if c["kind"] == "Deployment" and c["metadata"]["name"].endswith("engine")]
    for container in engine["spec"]["template"]["spec"]["initContainers"]:
        assert [source["secretRef"]["name"] for source in container["envFrom"]] == ["models", "s3", "wealth"]


READY_POD = {
    "metadata": {"name": "pod-1", "labels": {names.LABEL_COMPONENT: "engine"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}]},
}


def serving(instances: list[Json], pods: tuple[Json, ...] = (READY_POD,), **spec: Any) -> Plan:
    """A BankingModel whose Deployments are ready."""
    world = model_world(model_owner(**spec))
    world.step()
    for deployment in world.of_kind("Deployment"):
        deployment["status"] = {"replicas": 1, "readyReplicas": 1}
    world.owner["status"]["instances"] = instances
    return decide(world.owner, children=tuple(world.children.values()), pods=pods)


def told(state: str, digest: str = DIGEST, pod: str = "pod-1", **more: Any) -> Json:
    return {"pod": pod, "adapters": [{"name": "wealth", "digest": digest, "state": state} | more]}


@pytest.mark.parametrize(
    ("instances", "state", "ready"),
    [
        ([], "Loading", "0/1"),
        ([told("Ready")], "Ready", "1/1"),
        ([told("Ready", digest=OTHER)], "Loading", "0/1"),
        ([told("Ready", pod="gone")], "Loading", "0/1"),
        ([told("Failed", reason="ProofFailed", message="no token")], "Failed", "0/1"),
    ],
)
def test_what_pods_proved(instances: list[Json], state: str, ready: str) -> None:
    plan = serving(instances)
    assert adapter(plan, "wealth")["state"] == state
    assert plan.status is not None and plan.status["adaptersReady"] == ready
    assert said(plan, "Ready")["status"] == "True"
    assert said(plan, "Degraded")["status"] == ("False" if state == "Ready" else "True")


def test_every_pod_must_prove() -> None:
    second = {"metadata": READY_POD["metadata"] | {"name": "pod-2"}, "status": READY_POD["status"]}
    plan = serving([told("Ready")], pods=(READY_POD, second), replicas=2)
    assert adapter(plan, "wealth")["state"] == "Loading"
    assert adapter(plan, "wealth")["readyReplicas"] == 1
    plan = serving([told("Ready"), told("Ready", pod="pod-2")], pods=(READY_POD, second), replicas=2)
    assert adapter(plan, "wealth")["state"] == "Ready"


def test_the_words_of_vanished_pods_are_taken_back() -> None:
    assert serving([told("Ready"), told("Ready", pod="gone")]).forget_instances == ("gone",)


def test_a_pod_on_its_way_out_does_not_count() -> None:
    leaving = {"metadata": READY_POD["metadata"] | {"deletionTimestamp": "x"}, "status": READY_POD["status"]}
    plan = serving([told("Ready")], pods=(leaving,))
    assert adapter(plan, "wealth")["state"] == "Loading"
    assert plan.forget_instances == ()


def test_no_replicas_is_not_a_failure_in_silence() -> None:
    plan = decide(model_owner(replicas=0))
    assert said(plan, "EngineReady")["reason"] == "ScaledToZero"
    assert said(plan, "Ready")["status"] == "False"


def test_no_adapters() -> None:
    plan = decide(model_owner(adapters=[]))
    assert said(plan, "AdaptersReady")["reason"] == "NoAdapters"
    assert plan.status is not None and plan.status["adaptersReady"] == "0/0"


def test_what_somebody_wrote_into_the_config_map_is_written_anew() -> None:
    world = model_world(model_owner(adapters=[of_job()]), {"cards": job()})
    world.step()
    (config_map,) = world.of_kind("ConfigMap")
    config_map["data"][names.DESIRED_KEY] = "{"
    plan = world.step()
    assert [child["kind"] for child in plan.apply] == ["ConfigMap"]
    assert desired(plan)["adapters"][0]["name"] == "cards"


def test_events_tell_of_adapters() -> None:
    assert [event.reason for event in serving([told("Ready")]).events if "wealth" in event.message] == ["AdapterReady"]
    failed = serving([told("Failed", reason="ProofFailed", message="no token")])
    assert [(event.type, event.reason) for event in failed.events if "wealth" in event.message] == [
        ("Warning", "ProofFailed")
    ]


INTENTS = job(task="Classification", servedAs="Classifier", rank=None)
jobs = st.sampled_from([None, job(), job(passed="False"), job(rank=256), job(servedAs="Merged", rank=None), INTENTS])
CLASSIFIED = {"classifier": {"fineTuneJob": {"name": "base"}}}
specs = st.fixed_dictionaries(
    {
        "engine": st.sampled_from([None, "TGI", "VLLM"]),
        "replicas": st.integers(0, 3),
        "profile": st.sampled_from([None, "gpu", "unknown"]),
        "model": st.sampled_from([{"uri": "s3://bank/model"}, {"fineTuneJob": {"name": "base"}}]),
        "adapters": st.sampled_from([[], [of_job()], [of_job(), of_job("base")]]),
        "gateway": st.sampled_from([None, gateway(access=[]), gateway(access=[], scope=CLASSIFIED, knowledge=None)]),
    }
)


@given(specs, jobs, jobs)
def test_planning_again_changes_nothing(spec: Json, cards: Json | None, base: Json | None) -> None:
    live = {name: found for name, found in (("cards", cards), ("base", base)) if found}
    world = model_world(model_owner(**spec), live)
    world.step()
    world.step()
    before = (world.owner, dict(world.children))
    plan = world.step()
    assert plan.apply == () and plan.delete == () and plan.events == ()
    assert (world.owner, world.children) == before


@given(specs)
def test_a_finished_jobs_deletion_changes_nothing(spec: Json) -> None:
    owner = model_owner(**spec | {"profile": None})
    world = model_world(owner, {"cards": job(), "base": job(servedAs="Merged", rank=None)})
    world.step()
    before = dict(world.children)
    after = model_world(world.owner)
    after.children = world.children
    plan = after.step()
    assert plan.apply == ()
    assert after.children == before
