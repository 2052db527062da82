"""Properties of all that is built: restricted pods, no token of the API server, nothing of the user's choosing."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api import names
from banktuner_api.bankingmodel import Engine
from banktuner_api.exit_codes import FINAL, RETRYABLE
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_operator.manifests import nginx, quantity, training_pod
from tests.unit.operator_samples import (
    DIGEST,
    GATEWAY,
    SETTINGS,
    gateway,
    job_children,
    job_owner,
    model_children,
    model_owner,
)

Json = dict[str, Any]


TRACKING: Json = {
    "mlflow": {"uri": "http://mlflow.bank.svc:5000", "secretRef": {"name": "mlflow"}},
    "wandb": {"project": "bank", "mode": "Online", "secretRef": {"name": "wandb"}},
}


JWT: Json = {"issuer": "https://id.bank", "audience": "assistant", "jwksUri": "https://id.bank/keys"}
BARE: Json = dict.fromkeys(("scope", "privacy", "knowledge", "audit", "access", "conversations"))
FAISS: Json = {"documents": {"uri": "s3://bank/policies"}, "embedding": {"uri": "s3://bank/minilm"}}
VOLUME: Json = {"sink": "Volume", "claimName": "audit", "keySecretRef": {"name": "audit-key"}}


def pod_specs() -> list[tuple[str, Json]]:
    """Every pod that the operator can build."""
    found = []
    for profile, gpus in itertools.product((None, "gpu"), (0, 2)):
        resources = {"gpus": gpus, "cpu": "1500m", "memory": "2Gi", "ephemeralStorage": "3G"}
        for method, task in (("LoRA", "Classification"), ("QLoRA", "Instruction"), ("Full", "Instruction")):
            children = job_children(job_owner(method=method, task=task, profile=profile, resources=resources))
            found += [(f"{method} {profile} {gpus}", entry) for entry in templates(children)]
        together = job_owner(task="Instruction", nodes=2, tracking=TRACKING, profile=profile, resources=resources)
        found += [(f"together {profile} {gpus}", entry) for entry in templates(job_children(together))]
        for engine in ("VLLM", "TGI"):
            children = model_children(model_owner(engine=engine, profile=profile, resources=resources))
            found += [(f"{engine} {profile} {gpus}", entry) for entry in templates(children)]
        for audit in (GATEWAY["audit"], VOLUME):
            asked = {"gateway": gateway(audit=audit), "ui": {"enabled": True}}
            children = model_children(model_owner(**asked, profile=profile, resources=resources))
            found += [(f"gateway {audit['sink']} {profile} {gpus}", entry) for entry in templates(children)]
    return found


def templates(children: list[Json]) -> list[Json]:
    return [child["spec"]["template"]["spec"] for child in children if "template" in child.get("spec", {})]


PODS = pod_specs()


def containers(spec: Json) -> list[Json]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def test_there_are_pods() -> None:
    assert len(PODS) == 4 * (3 + 1 + 2 * 2 + 2 * 4)


@pytest.mark.parametrize("spec", [spec for _, spec in PODS], ids=[name for name, _ in PODS])
class TestEveryPod:
    def test_is_restricted(self, spec: Json) -> None:
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True and pod["runAsUser"] == 10001
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(spec):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not context.keys() - {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"}

    def test_has_no_token_of_the_api_server(self, spec: Json) -> None:
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        assert "serviceAccountName" not in spec
        tokens = [
            source["serviceAccountToken"]
            for volume in spec["volumes"]
            for source in volume.get("projected", {}).get("sources", [])
            if "serviceAccountToken" in source
        ]
        tells_nobody = [entry["name"] for entry in containers(spec)] in (["index"], ["ui"])
        assert [token["audience"] for token in tokens] == [] if tells_nobody else [names.TOKEN_AUDIENCE]

    def test_shares_nothing_with_the_node(self, spec: Json) -> None:
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostAliases", "nodeName"}
        kinds = {key for volume in spec["volumes"] for key in volume if key != "name"}
        assert kinds <= {"emptyDir", "configMap", "projected", "secret", "persistentVolumeClaim"}
        assert all("hostPort" not in port for entry in containers(spec) for port in entry.get("ports", []))

    def test_is_bounded(self, spec: Json) -> None:
        for container in containers(spec):
            assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
            for resource, request in container["resources"]["requests"].items():
                assert quantity.parse(request) <= quantity.parse(container["resources"]["limits"][resource])
        for volume in spec["volumes"]:
            assert "emptyDir" not in volume or "sizeLimit" in volume["emptyDir"]

    def test_mounts_what_it_has(self, spec: Json) -> None:
        mounted = {mount["name"] for container in containers(spec) for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in spec["volumes"]}

    def test_only_those_who_fetch_get_credentials(self, spec: Json) -> None:
        with_credentials = {entry["name"] for entry in containers(spec) if entry.get("envFrom")}
        serving = {"stage-model", "sync", "stage-gateway", "gateway", "index"}
        assert with_credentials <= {"stage", "publish", "track"} | serving
        for container in containers(spec):
            for source in container.get("envFrom", []):
                assert source["prefix"] == names.secret_env_prefix(source["secretRef"]["name"])


def test_names_fit() -> None:
    owner = job_owner()
    owner["metadata"]["name"] = "a" * names.MAX_NAME
    for child in job_children(owner):
        assert len(child["metadata"]["name"]) <= 63
    model = model_owner()
    model["metadata"]["name"] = "a" * names.MAX_NAME
    model["spec"] |= {"gateway": GATEWAY, "ui": {"enabled": True}}
    for child in model_children(model):
        assert len(child["metadata"]["name"]) <= 63


def test_the_job_fails_at_once_where_another_attempt_is_useless() -> None:
    (job,) = [child for child in job_children(job_owner()) if child["kind"] == "Job"]
    rules = job["spec"]["podFailurePolicy"]["rules"]
    assert rules[0]["action"] == "Ignore"
    assert {rule["onExitCodes"]["containerName"] for rule in rules[1:]} == {"stage", "trainer"}
    for rule in rules[1:]:
        assert set(rule["onExitCodes"]["values"]) == {int(code) for code in FINAL}
        assert not set(rule["onExitCodes"]["values"]) & {int(code) for code in RETRYABLE}
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_publish_is_a_native_sidecar() -> None:
    (job,) = [child for child in job_children(job_owner()) if child["kind"] == "Job"]
    steps = {entry["name"]: entry for entry in job["spec"]["template"]["spec"]["initContainers"]}
    assert steps["publish"]["restartPolicy"] == "Always"
    assert "restartPolicy" not in steps["stage"]


def steps(**spec: Any) -> dict[str, Json]:
    (job,) = [child for child in job_children(job_owner(**spec)) if child["kind"] == "Job"]
    return {entry["name"]: entry for entry in job["spec"]["template"]["spec"]["initContainers"]}


def test_only_a_tracker_needs_a_follower() -> None:
    assert "track" not in steps() and "track" not in steps(tracking={"tensorboard": True})
    assert "track" not in steps(tracking={"wandb": {"project": "bank"}})  # offline: in the artifact's report
    follower = steps(tracking=TRACKING)["track"]
    assert follower["command"] == ["python", "-m", "banktuner_trainer.tracking"]
    assert follower["image"] == SETTINGS.images.trainer and follower["restartPolicy"] == "Always"


def test_stores_and_trackers_do_not_share_credentials() -> None:
    encoder = {"uri": "s3://bank/encoder", "secretRef": {"name": "encoder"}}
    made = steps(tracking=TRACKING, evaluation={"encoder": encoder})
    given = {name: {one["secretRef"]["name"] for one in step["envFrom"]} for name, step in made.items()}
    assert given == {"stage": {"s3", "encoder"}, "publish": {"s3", "encoder"}, "track": {"mlflow", "wandb"}}


def test_every_named_secret_is_told_with_its_field() -> None:
    spec = FineTuneJobSpec.model_validate(job_owner(tracking=TRACKING)["spec"])
    assert training_pod.secret_fields(spec)[-2:] == [
        ("spec.tracking.mlflow.secretRef", "mlflow"),
        ("spec.tracking.wandb.secretRef", "wandb"),
    ]


def policies(children: list[Json]) -> dict[str, Json]:
    found = [child for child in children if child["kind"] == "NetworkPolicy"]
    return {child["metadata"]["labels"][names.LABEL_COMPONENT]: child["spec"] for child in found}


def test_every_policy_closes_both_ways() -> None:
    found = policies(job_children(job_owner())) | policies(model_children(model_owner()))
    assert found.keys() == {"training", "engine", "gateway"}
    for spec in found.values():
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        blocks = [to["ipBlock"] for rule in spec["egress"] for to in rule.get("to", []) if "ipBlock" in to]
        assert all("169.254.0.0/16" in block["except"] for block in blocks)
    assert "ingress" not in found["training"]
    assert not [to for rule in found["gateway"]["egress"] for to in rule.get("to", []) if "ipBlock" in to]
    (rule,) = found["engine"]["ingress"]
    (peer,) = rule["from"]
    assert peer["podSelector"]["matchLabels"][names.LABEL_COMPONENT] == "gateway"


@pytest.mark.parametrize(
    ("blocks", "gateway_calls", "index_calls"),
    [
        ({}, {"0.0.0.0/0", "10.20.0.7/32", "10.20.0.8/32"}, {"0.0.0.0/0", "10.20.0.8/32"}),
        ({"auth": {"jwt": JWT}, "knowledge": None, "conversations": None}, {"0.0.0.0/0", "10.20.0.6/32"}, None),
        ({"knowledge": None, "scope": None, "audit": None}, {"10.20.0.7/32"}, None),
        ({"knowledge": None, "audit": None, "conversations": None}, {"0.0.0.0/0"}, None),
        ({"knowledge": None, "scope": None, "conversations": None}, {"0.0.0.0/0"}, None),
        ({"knowledge": FAISS, "conversations": None}, {"0.0.0.0/0"}, {"0.0.0.0/0"}),
        (BARE | {"privacy": {"names": {"uri": "s3://bank/names"}}}, {"0.0.0.0/0"}, None),
        (BARE, set(), None),
    ],
)
def test_a_gateway_reaches_what_its_spec_names(blocks: Json, gateway_calls: set[str], index_calls: set[str]) -> None:
    def addresses(component: str) -> set[str]:
        return {to["ipBlock"]["cidr"] for rule in found[component]["egress"] for to in rule["to"] if "ipBlock" in to}

    found = policies(model_children(model_owner(gateway=gateway(**{"privacy": None} | blocks))))
    for spec in found.values():
        spec["egress"] = [rule for rule in spec["egress"] if "to" in rule]
    assert addresses("gateway") == gateway_calls
    assert ("index" in found) is (index_calls is not None)
    if index_calls:
        assert addresses("index") == index_calls
        assert "ingress" not in found["index"]
        assert not [to for rule in found["index"]["egress"] for to in rule["to"] if "podSelector" in to]


def test_only_tracked_jobs_reach_the_trackers() -> None:
    def addresses(**spec: Any) -> set[str]:
        rules = policies(job_children(job_owner(**spec)))["training"]["egress"]
        return {to["ipBlock"]["cidr"] for rule in rules for to in rule.get("to", []) if "ipBlock" in to}

    assert addresses() == {"0.0.0.0/0"}
    assert addresses(tracking=TRACKING) == {"0.0.0.0/0", "10.20.0.5/32"}


def test_pods_that_train_together_reach_each_other_and_nobody_else_them() -> None:
    spec = policies(job_children(job_owner(task="Instruction", nodes=2)))["training"]
    peers = {"podSelector": {"matchLabels": spec["podSelector"]["matchLabels"]}}
    assert spec["ingress"] == [{"from": [peers]}]
    assert {"to": [peers]} in spec["egress"]
    assert spec["podSelector"]["matchLabels"][names.LABEL_OWNER_UID] == job_owner()["metadata"]["uid"]


@pytest.mark.parametrize("engine", Engine)
def test_adapter_paths_are_closed_from_outside(engine: Engine) -> None:
    text = nginx.configuration(engine)
    assert "load_lora_adapter" not in text
    assert "location / { return 404" in text
    assert "listen 8080" in text and "127.0.0.1:8000" in text


@pytest.mark.parametrize("engine", Engine)
def test_the_gateway_can_tell_that_no_engine_took_a_question(engine: Engine) -> None:
    """503 where nothing was sent to the engine, and nowhere else: only then is a question asked again."""
    text = nginx.configuration(engine)
    assert "error_page 502 = @absent;" in text
    assert "location @absent { if ($upstream_bytes_sent = 0) { return 503; } return 502; }" in text


def test_tgi_pod_takes_only_the_adapters_it_started_with() -> None:
    """TGI itself would answer any other name from the base model."""
    tgi, vllm = nginx.configuration(Engine.TGI), nginx.configuration(Engine.VLLM)
    assert "map $http_x_banktuner_model $served" in tgi and "include /work/control/served.map;" in tgi
    assert "location = /v1/chat/completions { if ($served = 0) { return 404" in tgi
    assert "/generate" not in tgi, "an unguarded way to the adapters"
    assert "$served" not in vllm


def engine_container(**spec: Any) -> Json:
    (deployment,) = [
        child
        for child in model_children(model_owner(**spec))
        if child["kind"] == "Deployment" and child["metadata"]["labels"][names.LABEL_COMPONENT] == "engine"
    ]
    return next(entry for entry in deployment["spec"]["template"]["spec"]["containers"] if entry["name"] == "engine")


def flags(container: Json) -> dict[str, str]:
    arguments = container["args"]
    pairs = itertools.zip_longest(arguments, arguments[1:], fillvalue="")
    return {name: ("" if value.startswith("--") else value) for name, value in pairs if name.startswith("--")}


def environment(container: Json) -> dict[str, str]:
    return {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_vllm() -> None:
    options = {"maxModelLength": 4096, "dtype": "BF16", "quantization": "AWQ", "gpuMemoryPercent": 85}
    container = engine_container(engine="VLLM", engineOptions=options, resources={"gpus": 2}, profile="gpu")
    assert container["command"] == ["vllm", "serve"] and container["args"][0] == "/work/model"
    assert flags(container) == {
        "--host": "127.0.0.1",
        "--port": "8000",
        "--served-model-name": "assistant",
        "--dtype": "bfloat16",
        "--disable-access-log-for-endpoints": "/health,/metrics,/v1/models",
        "--enable-lora": "",
        "--max-loras": "8",
        "--max-lora-rank": "64",
        "--max-model-len": "4096",
        "--quantization": "awq",
        "--gpu-memory-utilization": "0.85",
        "--tensor-parallel-size": "2",
        "--enforce-eager": "",
    }
    told = environment(container)
    assert told["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"
    assert told["VLLM_NO_USAGE_STATS"] == "1" and told["HF_HUB_OFFLINE"] == "1"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "2"


def test_tgi() -> None:
    options = {"maxModelLength": 2048, "dtype": "FP16", "gpuMemoryPercent": 80}
    container = engine_container(engine="TGI", engineOptions=options, resources={"gpus": 2})
    assert container["command"] == ["text-generation-launcher"]
    assert flags(container) == {
        "--model-id": "/work/model",
        "--hostname": "127.0.0.1",
        "--port": "8000",
        "--prometheus-port": "9000",
        "--shard-uds-path": "/tmp/text-generation-server",
        "--json-output": "",
        "--max-input-tokens": "1536",
        "--max-total-tokens": "2048",
        "--dtype": "float16",
        "--cuda-memory-fraction": "0.80",
        "--num-shard": "2",
    }
    told = environment(container)
    served = names.served_name("wealth", DIGEST)
    assert told["LORA_ADAPTERS"] == f"{served}=/work/adapters/{served}"
    assert told["LORA_ADAPTERS"].count("=") == 1 and "@" not in told["LORA_ADAPTERS"]
    assert told["USAGE_STATS"] == "off"


def test_tgi_quantizes() -> None:
    container = engine_container(engine="TGI", engineOptions={"quantization": "BitsAndBytes"})
    assert flags(container)["--quantize"] == "bitsandbytes-nf4"
    assert "--dtype" not in container["args"]


def test_engine_probes_go_through_the_proxy() -> None:
    for engine in Engine:
        container = engine_container(engine=str(engine))
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] == names.PROXY_PORT


@pytest.mark.parametrize(
    ("asked", "percent", "cpu"),
    [("2", 100, "2"), ("2", 10, "200m"), ("1500m", 100, "1500m"), ("0.5", 100, "500m"), ("1m", 1, "1m")],
)
def test_cores(asked: str, percent: int, cpu: str) -> None:
    assert quantity.cores(asked, percent) == cpu


@pytest.mark.parametrize(
    ("asked", "percent", "size"),
    [("4Gi", 100, "4Gi"), ("4Gi", 50, "2Gi"), ("1G", 100, "1G"), ("1500M", 100, "1500M"), ("1000", 100, "1k")],
)
def test_size(asked: str, percent: int, size: str) -> None:
    assert quantity.size(asked, percent) == size


@given(st.integers(1, 10**6), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi"]))
def test_sizes_keep_their_value(number: int, unit: str) -> None:
    assert quantity.parse(quantity.size(f"{number}{unit}")) == quantity.parse(f"{number}{unit}")


def test_requests_are_the_profiles_share() -> None:
    children = job_children(job_owner(profile="gpu", resources={"gpus": 1, "cpu": "2", "memory": "2Gi"}))
    (job,) = [child for child in children if child["kind"] == "Job"]
    resources = job["spec"]["template"]["spec"]["containers"][0]["resources"]
    assert resources["limits"]["cpu"] == "2" and resources["requests"]["cpu"] == "500m"
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"


def test_profile_decides_where_pods_run() -> None:
    (job,) = [child for child in job_children(job_owner(profile="gpu")) if child["kind"] == "Job"]
    spec = job["spec"]["template"]["spec"]
    assert spec["nodeSelector"] == {"accelerator": "l4"}
    assert spec["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
    assert spec["runtimeClassName"] == "nvidia"


def test_no_value_of_a_secret_can_be_in_an_object() -> None:
    for child in [*job_children(job_owner()), *model_children(model_owner(gateway=GATEWAY))]:
        text = json.dumps(child)
        for allowed in ('"valueFrom": {"fieldRef"', '"valueFrom": {"secretKeyRef"'):
            text = text.replace(allowed, "")
        assert "valueFrom" not in text


def gateway_pod(**blocks: Any) -> Json:
    (deployment,) = [
        child
        for child in model_children(model_owner(gateway=gateway(**blocks)))
        if child["kind"] == "Deployment" and child["metadata"]["labels"][names.LABEL_COMPONENT] == "gateway"
    ]
    template: Json = deployment["spec"]["template"]
    return template


def index_pod(**blocks: Any) -> Json:
    (job,) = [child for child in model_children(model_owner(gateway=gateway(**blocks))) if child["kind"] == "Job"]
    template: Json = job["spec"]["template"]
    return template


def given(container: Json) -> Json:
    """Secrets that a container gets whole, and variables with one key of a Secret."""
    variables = {
        entry["name"]: tuple(entry["valueFrom"]["secretKeyRef"].values())
        for entry in container["env"]
        if "secretKeyRef" in entry.get("valueFrom", {})
    }
    return {"whole": {one["secretRef"]["name"] for one in container.get("envFrom", [])}, "keys": variables}


def test_each_container_gets_the_secrets_that_it_needs() -> None:
    (stage,), (serve,) = (gateway_pod()["spec"][part] for part in ("initContainers", "containers"))
    (index,) = index_pod()["spec"]["containers"]
    key = {names.VECTOR_STORE_KEY_VARIABLE: ("qdrant", "apiKey")}
    assert given(stage) == {"whole": {"intents", "names"}, "keys": {}}
    assert given(serve) == {"whole": {"audit-store", "policies", "encoder"}, "keys": key}
    (volume,) = [entry for entry in gateway_pod()["spec"]["volumes"] if entry["name"] == "secrets"]
    assert volume["projected"]["sources"] == [
        {"secret": {"name": "audit-key", "items": [{"key": "key", "path": "audit/key"}]}},
        {"secret": {"name": "redis", "items": [{"key": "url", "path": "redis/url"}]}},
    ]
    assert given(index) == {"whole": {"policies", "encoder"}, "keys": key}


def test_settings_travel_with_the_pod_and_hold_no_secret() -> None:
    pods = ((gateway_pod(), ["gateway.json", "retrieval.json"]), (index_pod(), ["retrieval.json"]))
    for template, file in [(template, file) for template, files in pods for file in files]:
        annotation = f"banktuner.dev/{file}"
        told = json.loads(template["metadata"]["annotations"][annotation])
        assert told["schemaVersion"] == 1
        (volume,) = [entry for entry in template["spec"]["volumes"] if entry["name"] == "config"]
        items = volume["projected"]["sources"][0]["downwardAPI"]["items"]
        places = {item["path"]: item["fieldRef"]["fieldPath"] for item in items}
        assert places[file] == f"metadata.annotations['{annotation}']"
        for container in containers(template["spec"]):
            assert not [word for word in container.get("args", []) if "secret" in word.lower()]


def test_what_a_gateway_mounts() -> None:
    def mounts(**blocks: Any) -> dict[str, bool]:
        (container,) = gateway_pod(**blocks)["spec"]["containers"]
        return {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}

    always = {"/tmp": False, "/etc/banktuner": True, "/var/run/banktuner": True}
    tokens, single = {"/etc/banktuner-tokens": True}, {"/etc/banktuner-secrets": True}
    assert mounts(**BARE) == always | tokens
    assert mounts(**BARE, auth={"jwt": JWT}) == always
    assert mounts() == always | tokens | single | {"/work": False}
    assert mounts(knowledge=None) == always | tokens | single | {"/work": True}
    assert mounts(audit=VOLUME) == always | tokens | single | {"/work": False, "/audit": False}
    (claim,) = [one for one in gateway_pod(audit=VOLUME)["spec"]["volumes"] if "persistentVolumeClaim" in one]
    assert claim["persistentVolumeClaim"] == {"claimName": "audit"}
    assert "initContainers" not in gateway_pod(**BARE)["spec"]
