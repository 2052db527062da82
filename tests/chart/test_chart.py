"""The chart, rendered by helm as it is installed."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from banktuner_api import crdgen, names
from banktuner_operator.manifests.networkpolicy import OPERATOR_COMPONENT
from banktuner_operator.settings import Settings

TOP = Path(__file__).parents[2]
CHART = TOP / "charts/banktuner"
Json = dict[str, Any]


def helm_binary() -> str:
    built = Path.home() / ".cache/banktuner/bin/helm"
    found = str(built) if built.exists() else shutil.which("helm")
    if found is None:
        pytest.skip("helm not found: `make up` builds it")
    return found


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([helm_binary(), *arguments], capture_output=True, text=True, timeout=60, check=False)


def render(*values: str, namespace: str = "banktuner-system", release: str = "banktuner") -> list[Json]:
    flags = [flag for value in values for flag in ("--set-json", value)]
    made = helm("template", release, str(CHART), "-n", namespace, *flags)
    assert made.returncode == 0, made.stderr
    return [document for document in yaml.safe_load_all(made.stdout) if document]


def of_kind(documents: list[Json], kind: str, ending: str = "") -> list[Json]:
    return [entry for entry in documents if entry["kind"] == kind and entry["metadata"]["name"].endswith(ending)]


def settings_of(documents: list[Json]) -> Settings:
    (config_map,) = of_kind(documents, "ConfigMap", "-settings")
    return Settings.model_validate(json.loads(config_map["data"]["settings.json"]))


def test_lint() -> None:
    linted = helm("lint", "--strict", str(CHART))
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_operator_understands_its_settings() -> None:
    settings = settings_of(render())
    assert settings.agent_url == "https://banktuner-agent.banktuner-system.svc:8443"
    assert settings.namespace == "banktuner-system"
    assert settings.default_engine == "TGI"
    assert settings.network.object_stores[0].excluded == ["169.254.0.0/16"]
    assert settings.images.ui == "banktuner/ui:0.1.0"


def test_values_reach_the_settings() -> None:
    profile = {
        "nodeSelector": {"gpu": "l4"},
        "requestPercent": 20,
        "images": {"trainer": "x/y:1"},
        "engineArgs": ["-v"],
        "prices": {"currency": "EUR", "gpuHour": 2.5},
    }
    settings = settings_of(
        render(
            f"profiles={json.dumps({'l4': profile})}",
            'defaultEngine="VLLM"',
            'images.ui="example/ui:2"',
            'watchNamespaces=["bank"]',
            "operator.retrySeconds=3",
            'network.objectStores=[{"cidr": "10.0.0.1/32", "ports": [9000]}]',
            'network.trackers=[{"cidr": "10.0.0.2/32", "ports": [5000]}]',
            'network.identityProviders=[{"cidr": "10.0.0.3/32", "ports": [443]}]',
            'network.conversationStores=[{"cidr": "10.0.0.4/32", "ports": [6379]}]',
            'network.vectorStores=[{"cidr": "10.0.0.5/32", "ports": [6333]}]',
        )
    )
    found = settings.profile("l4")
    assert found is not None and found.images.trainer == "x/y:1" and found.request_percent == 20
    assert settings.retry_seconds == 3 and settings.watch_namespaces == ["bank"]
    assert settings.images.ui == "example/ui:2"
    assert settings.network.object_stores[0].ports == [9000]
    assert settings.network.trackers[0].cidr == "10.0.0.2/32"
    assert settings.network.identity_providers[0].cidr == "10.0.0.3/32"
    assert settings.network.conversation_stores[0].ports == [6379]
    assert settings.network.vector_stores[0].ports == [6333]
    assert found.prices.currency == "EUR" and found.prices.gpu_hour == 2.5 and found.prices.cpu_hour == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('defaultEngine="SGLang"', "defaultEngine"),
        ('images.trainer=""', "trainer"),
        ("images.tgi=7", "tgi"),
        ('images.ui=""', "ui"),
        ("unknown=1", "unknown"),
        ("operator.unknown=1", "unknown"),
        ('operator.logLevel="DEBUG"', "logLevel"),
        ('profiles={"l4": {"nodeselector": {}}}', "nodeselector"),
        ('profiles={"l4": {"requestPercent": 0}}', "requestPercent"),
        ('network.objectStores=[{"cidr": "everywhere", "ports": [1]}]', "cidr"),
        ('network.objectStores=[{"cidr": "10.0.0.0/8"}]', "ports"),
        ('network.trackers=[{"ports": [5000]}]', "cidr"),
        ('network.vectorStores=[{"ports": [6333]}]', "cidr"),
        ('profiles={"l4": {"prices": {"gpuHour": -1}}}', "gpuHour"),
        ('profiles={"l4": {"prices": {"hour": 1}}}', "hour"),
    ],
)
def test_wrong_values_are_refused_by_name(value: str, words: str) -> None:
    refused = helm("template", "banktuner", str(CHART), "--set-json", value)
    assert refused.returncode != 0
    assert words in refused.stderr


def test_the_operators_pod_is_restricted() -> None:
    (deployment,) = of_kind(render(), "Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["seccompProfile"]
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()


def test_policies_of_pods_let_the_agent_api_through() -> None:
    (deployment,) = of_kind(render(), "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels[names.LABEL_NAME] == "banktuner"
    assert labels[names.LABEL_COMPONENT] == OPERATOR_COMPONENT
    ports = {port["containerPort"] for port in deployment["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert names.AGENT_PORT in ports


def rules(documents: list[Json]) -> list[Json]:
    roles = [entry for entry in documents if entry["kind"] in ("Role", "ClusterRole")]
    return [rule for role in roles if "aggregate" not in json.dumps(role["metadata"]) for rule in role["rules"]]


@pytest.mark.parametrize("values", [(), ('watchNamespaces=["bank", "lab"]',)])
def test_least_rights(values: tuple[str, ...]) -> None:
    found = rules(render(*values))
    resources = {resource for rule in found for resource in rule["resources"]}
    assert "secrets" not in resources
    assert not resources & {"nodes", "serviceaccounts", "serviceaccounts/token", "pods/exec", "roles", "clusterroles"}
    for rule in found:
        assert "*" not in json.dumps(rule)
        assert not set(rule["verbs"]) & {"escalate", "bind", "impersonate", "deletecollection"}


def test_with_namespaces_there_are_no_rights_elsewhere() -> None:
    documents = render('watchNamespaces=["bank", "lab"]')
    own = [role for role in of_kind(documents, "ClusterRole") if "aggregate" not in json.dumps(role["metadata"])]
    assert [rule["resources"] for role in own for rule in role["rules"]] == [["tokenreviews"]]
    assert {role["metadata"]["namespace"] for role in of_kind(documents, "Role")} == {"bank", "lab", "banktuner-system"}


def test_users_roles_leave_status_to_the_operator() -> None:
    roles = {role["metadata"]["name"]: role for role in of_kind(render(), "ClusterRole")}
    for name in ("banktuner-editor", "banktuner-viewer"):
        assert not [r for rule in roles[name]["rules"] for r in rule["resources"] if r.endswith("/status")]
    assert roles["banktuner-editor"]["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"


def test_custom_resource_definitions_are_the_generated_ones_and_stay() -> None:
    for path, text in crdgen.generated(TOP).items():
        assert path.read_text("utf-8") == text, f"{path.name}: run `make generate`"
    found = of_kind(render(), "CustomResourceDefinition")
    assert {entry["metadata"]["annotations"]["helm.sh/resource-policy"] for entry in found} == {"keep"}
    assert len(found) == 2


def test_the_certificate_is_for_the_agents_host(tmp_path: Path) -> None:
    (secret,) = of_kind(render(namespace="elsewhere"), "Secret")
    for key in ("ca.crt", "tls.crt"):
        (tmp_path / key).write_bytes(base64.b64decode(secret["data"][key]))
    host = "banktuner-agent.elsewhere.svc"
    command = ["openssl", "verify", "-CAfile", "ca.crt", "-verify_hostname", host, "tls.crt"]
    verified = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr


def test_a_certificate_of_ones_own() -> None:
    documents = render('agent.tlsSecret="ours"')
    assert of_kind(documents, "Secret") == []
    (deployment,) = of_kind(documents, "Deployment")
    secrets = [volume["secret"] for volume in deployment["spec"]["template"]["spec"]["volumes"] if "secret" in volume]
    assert [secret["secretName"] for secret in secrets] == ["ours"]


def test_changed_settings_restart_the_operator() -> None:
    stamps = set()
    for values in ((), ('defaultEngine="VLLM"',)):
        (deployment,) = of_kind(render(*values), "Deployment")
        stamps.add(deployment["spec"]["template"]["metadata"]["annotations"]["banktuner.dev/settings"])
    assert len(stamps) == 2


def secret_fields(schema: Json, path: str = "") -> set[str]:
    """Every field of a CRD's spec that names a Secret; of a list's entries, the list."""
    found = set()
    for name, field in schema.get("properties", {}).items():
        if name.lower().endswith("secretref"):
            found.add(f"{path}.{name}")
        found |= secret_fields(field, f"{path}.{name}")
    return found | (secret_fields(schema["items"], path) if "items" in schema else set())


@pytest.mark.parametrize("plural", ["finetunejobs", "bankingmodels"])
def test_the_admission_policy_knows_every_field_that_names_a_secret(plural: str) -> None:
    (policy,) = of_kind(render(), "ValidatingAdmissionPolicy", f"{plural}-secrets")
    (new,) = [entry["expression"] for entry in policy["spec"]["variables"] if entry["name"] == "n0"]
    crd = yaml.safe_load((CHART / f"templates/crds/banktuner.dev_{plural}.yaml").read_text("utf-8"))
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    fields = secret_fields(spec)
    assert len(fields) >= 6
    for field in fields - {".adapters.secretRef"}:
        assert f"[object.spec{field}.name]" in new
    assert (".adapters.secretRef" in fields) is ("object.spec.adapters.filter(a, has(a.secretRef))" in new)


def test_the_admission_policy_can_be_left_out() -> None:
    assert len(of_kind(render(), "ValidatingAdmissionPolicy")) == 2
    assert of_kind(render("admissionPolicy.enabled=false"), "ValidatingAdmissionPolicy") == []


def test_two_releases_do_not_share_names() -> None:
    def identities(release: str) -> set[tuple[str, str]]:
        documents = render(release=release)
        kept = [entry for entry in documents if entry["kind"] != "CustomResourceDefinition"]
        return {(entry["kind"], entry["metadata"]["name"]) for entry in kept}

    assert not identities("one") & identities("two")
