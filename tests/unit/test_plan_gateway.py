"""Decisions about a BankingModel's gateway: its settings, its classifier, the indexing of its documents."""

import argparse
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.bankingmodel import BankingModelSpec
from banktuner_api.gateway import Scope
from banktuner_api.serving import GatewayConfig, RetrievalConfig
from banktuner_gateway.retrieval import config as search
from banktuner_gateway.settings import load_settings, parse_arguments
from banktuner_operator.cluster.gather import referenced_jobs
from banktuner_operator.plan import model_status
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import ModelSnapshot, Plan, timestamp
from tests.unit.operator_samples import (
    DIGEST,
    GATEWAY,
    NOW,
    SETTINGS,
    UID,
    Json,
    World,
    gateway,
    model_owner,
    model_world,
)
from tests.unit.test_plan_model import OTHER, job, said

CLASSIFIED = {"classifier": {"fineTuneJob": {"name": "intents"}}}
ANNOTATION = "banktuner.dev/gateway.json"
Snapshot = dict[str, Any]


def intents(passed: str = "True", **artifact: Any) -> Json:
    """A finished Classification job."""
    return job(passed, **{"task": "Classification", "servedAs": "Classifier", "rank": None} | artifact)


def decide(owner: Json, **snapshot: Any) -> Plan:
    seen = ModelSnapshot(owner, snapshot.pop("children", ()), snapshot.pop("pods", ()), snapshot.pop("jobs", {}))
    return plan_banking_model(seen, snapshot.pop("now", NOW), SETTINGS)


def deployment(children: Any) -> Json | None:
    named = f"assistant-{names.uid_hash(UID)}-gateway"
    found = [one for one in children if one["kind"] == "Deployment" and one["metadata"]["name"] == named]
    return found[0] if found else None


def told(children: Any) -> GatewayConfig:
    live = deployment(children)
    assert live is not None
    return GatewayConfig.model_validate_json(live["spec"]["template"]["metadata"]["annotations"][ANNOTATION])


def retrieval(children: Any) -> RetrievalConfig | None:
    live = deployment(children)
    assert live is not None
    content = live["spec"]["template"]["metadata"]["annotations"].get("banktuner.dev/retrieval.json")
    return RetrievalConfig.model_validate_json(content) if content else None


def test_a_model_of_before_gets_the_defaults() -> None:
    config = told(decide(model_owner()).apply)
    assert config.jwt is None and config.classifier is None and config.scope == Scope()
    assert retrieval(decide(model_owner()).apply) is None
    assert config.audit.sink == "Stdout" and config.conversations.store == "Memory"
    assert config.rate_limit.requests_per_minute == 60
    assert said(decide(model_owner()), "KnowledgeReady")["reason"] == "NoKnowledge"


def test_every_block_reaches_the_pod() -> None:
    asked = BankingModelSpec.model_validate(model_owner(gateway=GATEWAY)["spec"]).gateway
    config = told(decide(model_owner(gateway=GATEWAY)).apply)
    for block in ("access", "scope", "privacy", "audit", "conversations", "rate_limit"):
        assert getattr(config, block) == getattr(asked, block)
    assert config.classifier is not None and config.classifier.digest == DIGEST
    assert config.classifier.credentials == names.secret_env_prefix("intents")
    told_of = retrieval(decide(model_owner(gateway=GATEWAY)).apply)
    assert told_of is not None
    assert told_of.index.uri == "s3://bank/policies/.banktuner/bank/assistant/banktuner"
    assert told_of.index.credentials == names.secret_env_prefix("policies")
    assert told_of.api_key_variable == names.VECTOR_STORE_KEY_VARIABLE


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"scope": GATEWAY["scope"] | {"rejection": "No."}}, False),
        ({"scope": {"classifier": {"uri": "s3://bank/intents", "digest": OTHER}}}, False),
        ({"rateLimit": {"burst": 7}}, False),
        ({"knowledge": GATEWAY["knowledge"] | {"topK": 5}}, False),
        ({"knowledge": GATEWAY["knowledge"] | {"refreshSeconds": 60}}, True),
    ],
)
def test_other_settings_roll_the_pods(change: Json, same: bool) -> None:
    before, after = (deployment(decide(model_owner(gateway=gateway(**one))).apply) for one in ({}, change))
    assert before is not None and after is not None
    assert (before["spec"]["template"] == after["spec"]["template"]) is same


@pytest.mark.parametrize(
    ("live", "reason", "words"),
    [
        (None, "WaitingForClassifier", "FineTuneJob 'intents' does not exist"),
        ({"status": {}, "spec": intents()["spec"]}, "WaitingForClassifier", "has not committed"),
        (intents(passed="False"), "EvaluationNotPassed", "accuracy is 0.1"),
        (intents(task="Instruction", servedAs="Adapter"), "ClassifierNotUsable", "task Instruction, served as Adapter"),
        (intents(servedAs="Merged"), "ClassifierNotUsable", "name a job with task Classification"),
        (intents(), None, ""),
    ],
)
def test_classifiers_of_jobs(live: Json | None, reason: str | None, words: str) -> None:
    owner = model_owner(gateway=gateway(scope=CLASSIFIED, knowledge=None))
    plan = decide(owner, jobs={"intents": live} if live else {})
    if reason:
        assert (said(plan, "GatewayReady")["status"], said(plan, "GatewayReady")["reason"]) == ("False", reason)
        assert words in said(plan, "GatewayReady")["message"]
        assert said(plan, "Ready")["status"] == "False"
        assert deployment(plan.apply) is None, "a gateway without its guard"
        return
    config = told(plan.apply)
    assert config.classifier is not None and config.classifier.digest == OTHER
    made = deployment(plan.apply)
    assert made is not None
    assert staging_secrets(made) == ["models", "names"]


def staging_secrets(live: Json) -> list[str]:
    (stage,) = live["spec"]["template"]["spec"]["initContainers"]
    return [source["secretRef"]["name"] for source in stage.get("envFrom", [])]


def test_names_are_looked_for_where_a_model_is_named() -> None:
    alone = {"scope": None, "knowledge": None, "audit": None}
    plan = decide(model_owner(gateway=gateway(**alone)))
    config, made = told(plan.apply), deployment(plan.apply)
    assert config.name_model is not None and config.name_model.uri == "s3://bank/names"
    assert config.name_model.credentials == names.secret_env_prefix("names")
    assert made is not None and staging_secrets(made) == ["names"]
    container = made["spec"]["template"]["spec"]["containers"][0]
    (work,) = [mount for mount in container["volumeMounts"] if mount["name"] == "work"]
    assert work["readOnly"] and container["resources"]["limits"]["memory"] == "2Gi"
    none = deployment(decide(model_owner(gateway=gateway(privacy={}, **alone))).apply)
    assert none is not None and "initContainers" not in none["spec"]["template"]["spec"]


def test_a_gateway_that_serves_goes_on_while_another_classifier_is_waited_for() -> None:
    world = model_world(model_owner(gateway=gateway(scope=None)))
    world.step()
    before = dict(world.children)
    world.owner["spec"]["gateway"]["scope"] = CLASSIFIED
    plan = world.step()
    assert world.children == before
    assert said(plan, "GatewayReady")["reason"] == "WaitingForClassifier"


def test_a_classifier_outlives_its_job() -> None:
    owner = model_owner(gateway=gateway(scope=CLASSIFIED, knowledge=None))
    world = model_world(owner, {"intents": intents()})
    world.step()
    after = model_world(world.owner)
    after.children = world.children
    assert after.step().apply == ()
    after.owner["spec"]["gateway"]["privacy"] = {"names": {"uri": "s3://bank/names", "secretRef": {"name": "other"}}}
    after.step()
    live = deployment(after.children.values())
    assert live is not None and staging_secrets(live) == ["models", "other"]
    after.owner["spec"]["gateway"]["scope"] = {"classifier": {"fineTuneJob": {"name": "others"}}}
    assert said(after.step(), "GatewayReady")["reason"] == "WaitingForClassifier"


def test_somebody_wrote_into_the_live_settings() -> None:
    world = model_world(model_owner(gateway=gateway(scope=CLASSIFIED)), {"intents": intents()})
    world.step()
    live = deployment(world.children.values())
    assert live is not None
    live["spec"]["template"]["metadata"]["annotations"][ANNOTATION] = "{"
    assert [child["kind"] for child in world.step().apply] == ["Deployment"]
    assert told(world.children.values()).classifier is not None


def pod_of(component: str, **status: Any) -> Json:
    return {"metadata": {"name": "p", "labels": {names.LABEL_COMPONENT: component}}, "status": status}


def failed_staging() -> Json:
    message = {"reason": "DigestMismatch", "message": "it was changed", "field": "spec.gateway.scope.classifier"}
    ended = {"terminated": {"exitCode": 69, "message": json.dumps(message)}}
    return pod_of("gateway", initContainerStatuses=[{"name": "stage-gateway", "state": ended}])


def test_a_classifier_that_cannot_be_staged() -> None:
    world = model_world(model_owner(gateway=gateway(knowledge=None)))
    world.step()
    children = tuple(world.children.values())
    plan = decide(world.owner, children=children, pods=(failed_staging(),))
    assert said(plan, "GatewayReady")["reason"] == "DigestMismatch"
    assert said(plan, "GatewayReady")["message"] == "spec.gateway.scope.classifier: it was changed"
    for live in world.of_kind("Deployment"):
        live["status"] = {"replicas": 1, "readyReplicas": 1}
    wealth = {"name": "wealth", "digest": DIGEST, "state": "Ready"}
    world.owner["status"]["instances"] = [{"pod": "e", "adapters": [wealth]}]
    engine = {"metadata": {"name": "e", "labels": {names.LABEL_COMPONENT: "engine"}}, "status": {}}
    plan = decide(world.owner, children=children, pods=(failed_staging(), engine))
    assert said(plan, "GatewayReady")["status"] == said(plan, "Ready")["status"] == "True"
    assert (said(plan, "Degraded")["status"], said(plan, "Degraded")["reason"]) == ("True", "DigestMismatch")


def test_settings_that_no_pod_can_be_given() -> None:
    groups = [f"{number:03}-{'g' * 249}" for number in range(64)]
    rules = [{"adapter": "wealth", "groups": groups} for _ in range(16)]
    plan = decide(model_owner(gateway=gateway(access=rules)))
    assert plan.apply == ()
    assert said(plan, "Accepted")["reason"] == "GatewayTooLarge"
    assert "name fewer groups" in said(plan, "Accepted")["message"]


def test_every_named_secret_is_told_with_its_field() -> None:
    spec = BankingModelSpec.model_validate(model_owner(gateway=GATEWAY)["spec"])
    fields = {name: field for field, name in model_status.secret_fields(spec)}
    assert {name: fields[name] for name in ("redis", "audit-key", "qdrant", "encoder", "names")} == {
        "redis": "spec.gateway.conversations.redisSecretRef",
        "audit-key": "spec.gateway.audit.keySecretRef",
        "qdrant": "spec.gateway.knowledge.vectorStore.secretRef",
        "encoder": "spec.gateway.knowledge.embedding.secretRef",
        "names": "spec.gateway.privacy.names.secretRef",
    }
    assert {"tokens", "intents", "audit-store", "policies"} <= fields.keys()


def test_unknown_blocks_are_refused() -> None:
    with pytest.raises(ValidationError):
        BankingModelSpec.model_validate(model_owner()["spec"] | {"gateway": gateway(guard={})})


class Documents:
    """A BankingModel with documents, whose Jobs end when the test says so."""

    def __init__(self, **knowledge: Any) -> None:
        self.now = NOW
        self.pods: tuple[Json, ...] = ()
        self.world = World(model_owner(), self._decide)
        self.ask(**knowledge)

    def ask(self, **knowledge: Any) -> None:
        blocks = gateway(knowledge=GATEWAY["knowledge"] | knowledge)
        self.world.owner["spec"] = model_owner(gateway=blocks)["spec"]

    def _decide(self, world: World) -> Plan:
        snapshot = ModelSnapshot(world.owner, tuple(world.children.values()), self.pods, {})
        return plan_banking_model(snapshot, self.now, SETTINGS)

    def jobs(self) -> list[str]:
        return [job["metadata"]["name"] for job in self.world.of_kind("Job")]

    def ready(self) -> tuple[str, str]:
        """Look until nothing changes; status and reason of KnowledgeReady."""
        while (plan := self.world.step()).apply or plan.delete:
            assert len(self.jobs()) <= 3
        found = said(plan, "KnowledgeReady")
        return found["status"], found["reason"]

    def end(self, how: str, after: float = 10, message: str = "") -> None:
        """The Job that is under way ends."""
        self.now += timedelta(seconds=after)
        (live,) = [job for job in self.world.of_kind("Job") if not job["status"]]
        live["status"] = {"conditions": [{"type": how, "status": "True", "lastTransitionTime": timestamp(self.now)}]}
        if message:
            reference = [{"uid": live["metadata"]["uid"], "controller": True}]
            ended = {"terminated": {"exitCode": 65, "message": message}}
            pod = pod_of("index", containerStatuses=[{"name": "index", "state": ended}])
            pod["metadata"] |= {"ownerReferences": reference}
            self.pods = (*self.pods, pod)


NO_DOCUMENTS = json.dumps(
    {"reason": "NoDocuments", "message": "none could be read", "field": "knowledge.documents.uri"}
)


def test_documents_are_indexed_once_and_again_after_a_while() -> None:
    documents = Documents(refreshSeconds=600)
    assert documents.ready() == ("False", "Indexing")
    (first,) = documents.jobs()
    documents.end("Complete")
    assert documents.ready() == ("True", "Indexed")
    assert documents.jobs() == [first]
    documents.now += timedelta(seconds=599)
    assert documents.ready() == ("True", "Indexed") and documents.jobs() == [first]
    documents.now += timedelta(seconds=1)
    assert documents.ready() == ("True", "Indexed"), "what was indexed is searched meanwhile"
    assert len(documents.jobs()) == 2
    documents.end("Complete")
    documents.ready()
    assert len(documents.jobs()) == 1 and documents.jobs() != [first]


def test_a_failure_is_told_and_tried_again() -> None:
    documents = Documents()
    documents.ready()
    documents.end("Failed", message=NO_DOCUMENTS)
    assert documents.ready() == ("False", "NoDocuments")
    plan = documents.world.step()
    assert said(plan, "KnowledgeReady")["message"].startswith("spec.gateway.knowledge.documents.uri: none could be")
    (first,) = documents.jobs()
    documents.now += timedelta(seconds=121)
    assert documents.ready() == ("False", "NoDocuments")
    assert len(documents.jobs()) == 2
    documents.end("Complete")
    assert documents.ready() == ("True", "Indexed")
    assert first not in documents.jobs() and len(documents.jobs()) == 1


def test_an_index_stays_when_a_later_look_fails() -> None:
    documents = Documents(refreshSeconds=60)
    documents.ready()
    documents.end("Complete")
    documents.ready()
    documents.now += timedelta(seconds=60)
    documents.ready()
    documents.end("Failed", message=NO_DOCUMENTS)
    assert documents.ready() == ("True", "RefreshFailed")
    assert len(documents.jobs()) == 2
    words = said(documents.world.step(), "KnowledgeReady")["message"]
    assert "are searched; spec.gateway.knowledge.documents.uri: none could be read" in words


def test_other_settings_index_anew_one_job_at_a_time() -> None:
    documents = Documents()
    documents.ready()
    (first,) = documents.jobs()
    documents.ask(documents={"uri": "s3://bank/other"})
    plan = documents.world.step()
    assert [gone.name for gone in plan.delete] == [first]
    assert not [child for child in plan.apply if child["kind"] == "Job"], "two at a time"
    assert documents.ready() == ("False", "Indexing")
    (second,) = documents.jobs()
    assert second != first


@pytest.mark.parametrize("change", [{"topK": 9}, {"refreshSeconds": 90}])
def test_what_the_index_does_not_depend_on(change: Json) -> None:
    documents = Documents()
    documents.ready()
    documents.end("Complete")
    documents.ready()
    before = documents.jobs()
    documents.ask(**change)
    assert documents.ready() == ("True", "Indexed") and documents.jobs() == before


def test_without_documents_the_jobs_go() -> None:
    documents = Documents()
    documents.ready()
    documents.world.owner["spec"]["gateway"].pop("knowledge")
    assert documents.ready() == ("True", "NoKnowledge") and documents.jobs() == []


def test_a_job_on_its_way_out_is_waited_for() -> None:
    documents = Documents()
    documents.ready()
    (live,) = documents.world.of_kind("Job")
    live["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    plan = documents.world.step()
    assert plan.apply == () and plan.delete == ()


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (
            {"reason": "CreateContainerConfigError", "message": 'secret "policies" not found'},
            "SecretMissing",
            "spec.gateway.knowledge.documents.secretRef",
        ),
        ({"reason": "ErrImagePull", "message": "no such image"}, "ImagePull", "the image is the administrator's"),
    ],
)
def test_what_an_indexing_pod_waits_for(state: Json, reason: str, words: str) -> None:
    documents = Documents()
    documents.ready()
    (live,) = documents.world.of_kind("Job")
    pod = pod_of("index", containerStatuses=[{"name": "index", "state": {"waiting": state}}])
    pod["metadata"]["ownerReferences"] = [{"uid": live["metadata"]["uid"], "controller": True}]
    documents.pods = (pod,)
    assert documents.ready() == ("False", reason)
    assert words in said(documents.world.step(), "KnowledgeReady")["message"]


@pytest.mark.parametrize(
    ("ended", "reason"),
    [
        ({"exitCode": 137, "reason": "OOMKilled"}, "OutOfMemory"),
        ({"exitCode": 1, "message": "?"}, "IndexingFailed"),
        (None, "IndexingFailed"),
    ],
)
def test_pods_that_leave_no_words(ended: Json | None, reason: str) -> None:
    documents = Documents()
    documents.ready()
    documents.end("Failed")
    (live,) = documents.world.of_kind("Job")
    if ended:
        pod = pod_of("index", containerStatuses=[{"name": "index", "state": {"terminated": ended}}])
        pod["metadata"]["ownerReferences"] = [{"uid": live["metadata"]["uid"], "controller": True}]
        documents.pods = (pod,)
    assert documents.ready() == ("False", reason)


def test_events_tell_of_documents() -> None:
    documents = Documents(refreshSeconds=60)
    assert "Indexing" not in [event.reason for event in documents.world.step().events]
    documents.end("Failed", message=NO_DOCUMENTS)
    (failed,) = [event for event in documents.world.step().events if event.reason == "NoDocuments"]
    assert failed.type == "Warning" and "none could be read" in failed.message
    documents.now += timedelta(seconds=60)
    documents.ready()
    documents.end("Complete")
    assert [(event.type, event.reason) for event in documents.world.step().events] == [("Normal", "Indexed")]
    assert documents.world.step().events == ()


def test_a_models_jobs_are_all_that_it_names() -> None:
    named = {"model": {"fineTuneJob": {"name": "base"}}, "gateway": gateway(scope=CLASSIFIED)}
    assert referenced_jobs(model_owner(**named)) == ["base", "intents"]
    assert referenced_jobs({"spec": {"model": {}, "gateway": {"auth": {}}}}) == []


def test_the_process_finds_what_its_pod_has(tmp_path: Path) -> None:
    """The pod's files, laid out as its volumes and mounts say, are where the gateway's defaults look for them."""
    live = deployment(decide(model_owner(gateway=GATEWAY)).apply)
    assert live is not None
    template = live["spec"]["template"]
    (container,) = template["spec"]["containers"]
    places = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    for volume in template["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            for item in [*source.get("downwardAPI", {}).get("items", []), *source.get("secret", {}).get("items", [])]:
                file = tmp_path / places[volume["name"]].lstrip("/") / item["path"]
                file.parent.mkdir(parents=True, exist_ok=True)
                name = item["fieldRef"]["fieldPath"].split("'")[1] if "fieldRef" in item else ""
                file.write_text(template["metadata"]["annotations"].get(name, "x"))
    defaults = vars(parse_arguments([]))
    options = {
        key: tmp_path / str(value).lstrip("/") if isinstance(value, Path) else value for key, value in defaults.items()
    }
    (options["work_dir"] / "classifier").mkdir(parents=True)
    settings = load_settings(argparse.Namespace(**options))
    assert settings.config == told([live])
    assert settings.audit_key and settings.redis_url and settings.retrieval and settings.classifier
    assert search.load_config(settings.retrieval).top_k == 4
    assert defaults["work_dir"] / "classifier" == names.CLASSIFIER_DIR
