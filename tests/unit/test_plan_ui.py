"""The chat page of a BankingModel: what makes it, what it may reach, and that it goes when it is not wanted."""

from pathlib import Path
from typing import Any

import pytest

from banktuner_api import names
from banktuner_operator.plan.model import plan_banking_model
from banktuner_operator.plan.types import ModelSnapshot, Plan
from banktuner_ui.settings import Settings as PageSettings
from banktuner_ui.settings import parse_settings
from tests.unit.operator_samples import DIGEST, NOW, SETTINGS, UID, Json, World, model_owner, model_world
from tests.unit.test_manifests import policies
from tests.unit.test_plan_model import said

PREFIX = f"assistant-{names.uid_hash(UID)}"
PAGE = [("Deployment", f"{PREFIX}-ui"), ("NetworkPolicy", f"{PREFIX}-ui"), ("Service", "assistant-ui")]
WANTED = {"enabled": True}


def page_of(world: World) -> list[tuple[str, str]]:
    return sorted(key for key in world.children if key[1].endswith("-ui"))


def container(world: World) -> Json:
    (found,) = world.children[PAGE[0]]["spec"]["template"]["spec"]["containers"]
    return dict(found)


@pytest.fixture
def world() -> World:
    """A BankingModel with its page."""
    made = model_world(model_owner(ui=WANTED))
    made.step()
    return made


@pytest.mark.parametrize("asked", [None, {}, {"enabled": False}])
def test_without_being_asked_for_there_is_none(asked: Json | None) -> None:
    made = model_world(model_owner(ui=asked))
    plan = made.step()
    assert page_of(made) == [] and plan.delete == ()
    assert plan.status is not None and "uiUrl" not in plan.status


def test_the_page_and_where_it_is(world: World) -> None:
    assert page_of(world) == PAGE
    assert world.owner["status"]["uiUrl"] == "http://assistant-ui.bank.svc"
    again = world.step()
    assert again.apply == () and again.delete == ()
    live = world.children[PAGE[2]]["spec"]
    assert live["selector"] == world.children[PAGE[0]]["spec"]["selector"]["matchLabels"]
    assert live["ports"] == [{"name": "http", "port": 80, "targetPort": names.UI_PORT, "protocol": "TCP"}]


def test_the_process_understands_what_it_is_given(world: World) -> None:
    made = container(world)
    assert made["command"] == ["python", "-m", "banktuner_ui"] and "args" not in made
    environ = {entry["name"]: entry["value"] for entry in made["env"] if "value" in entry}
    understood = parse_settings([], environ)
    assert understood == PageSettings(
        gateway_url="http://assistant-gateway.bank.svc",
        title="Banking assistant",
        ca_file=None,
        host="0.0.0.0",
        port=names.UI_PORT,
        secure_cookie=True,
    )
    assert {made[probe]["httpGet"]["port"] for probe in made if probe.endswith("Probe")} == {understood.port}


def test_one_pod_with_nothing_of_the_models(world: World) -> None:
    spec = world.children[PAGE[0]]["spec"]
    assert spec["replicas"] == 1, "who is signed in is known to one process"
    assert [volume["name"] for volume in spec["template"]["spec"]["volumes"]] == ["tmp"]
    made = container(world)
    assert made["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert "envFrom" not in made and not [one for one in made["env"] if "secretKeyRef" in one.get("valueFrom", {})]


def test_it_reaches_names_and_its_gateway_alone(world: World) -> None:
    spec = policies(list(world.children.values()))["ui"]
    assert spec["ingress"] == [{"ports": [{"port": names.UI_PORT, "protocol": "TCP"}]}]
    lookups, gateway = spec["egress"]
    assert {(port["port"], port["protocol"]) for port in lookups["ports"]} == {(53, "UDP"), (53, "TCP")}
    chosen = world.children["Deployment", f"{PREFIX}-gateway"]["spec"]["selector"]
    assert gateway == {"to": [{"podSelector": chosen}], "ports": [{"port": names.GATEWAY_PORT, "protocol": "TCP"}]}


def test_it_goes_when_it_is_no_longer_asked_for(world: World) -> None:
    others = world.children.keys() - set(PAGE)
    world.owner["spec"]["ui"] = {"enabled": False}
    plan = world.step()
    assert [gone.kind for gone in plan.delete] == ["Service", "Deployment", "NetworkPolicy"]
    assert plan.status is not None and "uiUrl" not in plan.status
    assert world.children.keys() == others
    assert world.step().delete == ()


def test_it_goes_also_while_the_model_waits(world: World) -> None:
    world.owner["spec"] |= {"model": {"fineTuneJob": {"name": "later"}}, "ui": {"enabled": False}}
    plan = world.step()
    assert said(plan, "Ready")["reason"] == "WaitingForModel"
    assert page_of(world) == []


def test_what_is_on_its_way_out_is_not_deleted_again(world: World) -> None:
    world.owner["spec"]["ui"] = {"enabled": False}
    world.children[PAGE[0]]["metadata"]["deletionTimestamp"] = "2026-11-21T12:00:00Z"
    assert [gone.kind for gone in world.step().delete] == ["Service", "NetworkPolicy"]


def decide(world: World, **page: Any) -> Plan:
    """With everything ready but for the page's pod, whose status is given."""
    for (_, name), live in world.children.items():
        if live["kind"] == "Deployment":
            live["status"] = {"replicas": 1, "readyReplicas": 0 if name.endswith("-ui") else 1}
    proved = {"name": "wealth", "digest": DIGEST, "state": "Ready"}
    world.owner["status"]["instances"] = [{"pod": "engine", "adapters": [proved]}]
    pods = [
        {"metadata": {"name": name, "labels": {names.LABEL_COMPONENT: name}}, "status": status}
        for name, status in (("engine", {}), ("ui", page))
    ]
    return plan_banking_model(
        ModelSnapshot(world.owner, tuple(world.children.values()), tuple(pods), {}), NOW, SETTINGS
    )


def test_a_page_that_does_not_start_is_told_and_stops_nobody(world: World) -> None:
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    plan = decide(world, containerStatuses=[{"name": "ui", "image": "example/ui:1", "state": waiting}])
    assert said(plan, "Ready")["status"] == "True"
    assert (said(plan, "Degraded")["status"], said(plan, "Degraded")["reason"]) == ("True", "ImagePull")
    world.owner["spec"]["ui"] = {"enabled": False}
    assert said(decide(world), "Degraded")["status"] == "False"


def test_the_image_is_the_one_that_the_recipe_makes(world: World) -> None:
    recipe = (Path(__file__).parents[2] / "operator/Dockerfile").read_text("utf-8").partition(" AS ui\n")[2]
    assert container(world)["image"] == SETTINGS.images.ui
    assert recipe.rstrip().endswith('CMD ["python", "-m", "banktuner_ui"]')
