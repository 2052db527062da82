"""The operator as a process of its own, with the rights that the chart gives it and no others."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from banktuner_api import names
from banktuner_operator.cluster.client import Client
from tests.integration import certificates
from tests.integration.controlplane import ControlPlane, binary
from tests.integration.kubelet import Cluster, condition_of, eventually, job_spec, model_spec, result, settings
from tests.support.ports import free_port

TOP = Path(__file__).parents[2]
NAMESPACE = "banktuner-system"
RIGHTS = ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")


def rendered(release: str = "banktuner", *values: str) -> list[dict[str, Any]]:
    chart = str(TOP / "charts/banktuner")
    sets = [word for value in values for word in ("--set-json", value)]
    command = [str(binary("helm")), "template", release, chart, "-n", NAMESPACE, *sets]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def token_of(control_plane: ControlPlane, release: str, *values: str) -> str:
    """Apply the chart's rights, and nothing else of it; the token of its service account."""
    if binary("helm") is None:
        pytest.skip("helm not found: `make up` builds it")
    control_plane.kubectl("create", "namespace", NAMESPACE)
    rights = [json.dumps(document) for document in rendered(release, *values) if document["kind"] in RIGHTS]
    applied = control_plane.kubectl("apply", "-f", "-", stdin="\n---\n".join(rights))
    assert applied.returncode == 0, applied.stderr
    made = control_plane.kubectl("-n", NAMESPACE, "create", "token", release)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


@pytest.fixture(scope="module")
def operator_token(control_plane: ControlPlane) -> str:
    return token_of(control_plane, "banktuner")


class Operator:
    """One replica; `log` is everything it said."""

    def __init__(self, plane: ControlPlane, token: str, folder: Path, identity: str, **changes: Any) -> None:
        folder.mkdir()
        self.log_file = folder / "log"
        self.probes, agent_port = free_port(), free_port()
        kubeconfig = json.loads(plane.kubeconfig.read_text())
        kubeconfig["users"][0]["user"]["token"] = token
        (folder / "kubeconfig").write_text(json.dumps(kubeconfig))
        (folder / "settings.json").write_text(json.dumps(settings(namespace=NAMESPACE, **changes).to_json()))
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(TOP / "operator"),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "BANKTUNER_SETTINGS": str(folder / "settings.json"),
            "BANKTUNER_TLS_DIR": str(certificates.make(folder / "tls")),
            "BANKTUNER_AGENT_HOST": "127.0.0.1",
            "BANKTUNER_AGENT_PORT": str(agent_port),
            "BANKTUNER_PROBE_PORT": str(self.probes),
            "POD_NAME": identity,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            command = [sys.executable, "-m", "banktuner_operator"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def end(self, by: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(by)
        return self.process.wait(30)

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    async def leads(self) -> bool:
        return "banktuner_leading 1" in self.metrics()

    def metrics(self) -> str:
        """What Prometheus reads; nothing while the process is away."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.probes}/metrics", timeout=2) as answer:
                return answer.read().decode()
        except OSError:
            return ""


@pytest.fixture
def operators(control_plane: ControlPlane, operator_token: str, tmp_path: Path) -> Iterator[list[Operator]]:
    made = [Operator(control_plane, operator_token, tmp_path / name, name) for name in ("first", "second")]
    yield made
    for operator in made:
        if operator.process:
            print(operator.log)  # shown where the test fails
            if operator.process.poll() is None:
                operator.end(signal.SIGKILL)


async def phase(cluster: Cluster, wanted: str) -> None:
    async def holds() -> bool:
        return (await cluster.get("FineTuneJob", "card")).get("status", {}).get("phase") == wanted

    await eventually(holds, f"phase {wanted}")


async def test_a_life_over_a_kill_with_least_rights(cluster: Cluster, operators: list[Operator]) -> None:
    operator = operators[0]
    operator.start()
    await eventually(operator.leads, "the operator leads")
    await cluster.create("FineTuneJob", "card", job_spec())
    await cluster.create(
        "BankingModel", "assistant", model_spec(adapters=[{"name": "a", "fineTuneJob": {"name": "card"}}])
    )
    pod = await cluster.pod()
    await phase(cluster, "Pending")
    operator.end(signal.SIGKILL)
    await cluster.end_pod(pod, 0, json.dumps(result()))
    operator.start()
    await phase(cluster, "Succeeded")

    async def measured() -> bool:
        line = 'banktuner_finetunejob_metric{namespace="%s",name="card",metric="intent_accuracy"} 0.91'
        return line % cluster.namespace in operator.metrics()

    await eventually(measured, "Prometheus can read what the job was measured at")

    async def told() -> bool:
        adapters = (await cluster.get("BankingModel", "assistant")).get("status", {}).get("adapters", [])
        return [entry["state"] for entry in adapters] == ["Loading"]

    await eventually(told, "the model takes the job's adapter: its event woke it")
    for kind in ("FineTuneJob", "BankingModel", "Job", "ConfigMap", "Deployment", "Service", "NetworkPolicy", "Pod"):
        for live in await cluster.client.list(kind, cluster.namespace):
            assert "kopf" not in json.dumps(live), f"{kind} carries something of kopf's"
            if kind in ("FineTuneJob", "BankingModel"):
                assert "finalizers" not in live["metadata"]
    assert operator.end(signal.SIGTERM) == 0
    assert "forbidden" not in operator.log.lower()
    assert "Traceback" not in operator.log


async def test_the_rights_are_enough_to_take_a_page_away(cluster: Cluster, operators: list[Operator]) -> None:
    async def gone() -> bool:
        found = [one for kind in ("Deployment", "Service", "NetworkPolicy") for one in await cluster.list(kind)]
        return {one["metadata"]["labels"][names.LABEL_COMPONENT] for one in found} == {"engine", "gateway"}

    async with await Client.connect(operators[0].environment["KUBECONFIG"]) as client:
        operator = Cluster(client, cluster.namespace)
        await cluster.create("BankingModel", "assistant", model_spec(ui={"enabled": True}))
        await operator.reconcile("BankingModel", "assistant")
        assert not await gone()
        await cluster.patch("BankingModel", "assistant", {"spec": {"ui": {"enabled": False}}})
        await operator.reconcile("BankingModel", "assistant")
        await eventually(gone, "the page's end")


async def test_a_deleted_child_wakes_the_operator(cluster: Cluster, operators: list[Operator]) -> None:
    operators[0].start()
    await eventually(operators[0].leads, "the operator leads")
    await cluster.create("FineTuneJob", "card", job_spec())
    await cluster.pod()
    (job,) = await cluster.list("Job")
    await cluster.delete("Job", job["metadata"]["name"])

    async def back() -> bool:
        jobs = await cluster.list("Job")
        return bool(jobs) and jobs[0]["metadata"]["uid"] != job["metadata"]["uid"]

    await eventually(back, "the Job is back")


async def test_the_second_replica_takes_over(cluster: Cluster, operators: list[Operator]) -> None:
    first, second = operators
    first.start()
    await eventually(first.leads, "the first leads")
    second.start()

    async def waits() -> bool:
        return "banktuner_leading 0" in second.metrics()

    await eventually(waits, "the second waits for its turn")
    await cluster.create("FineTuneJob", "card", job_spec())
    await phase(cluster, "Pending")
    assert not await second.leads()
    assert first.end(signal.SIGTERM) == 0
    lease = await cluster.client.get("Lease", NAMESPACE, "banktuner-operator")
    assert lease is not None and lease["spec"]["holderIdentity"] in ("", "second"), "it was given back"
    await eventually(second.leads, "the second leads")
    await cluster.end_pod(await cluster.pod(), 0, json.dumps(result()))
    await phase(cluster, "Succeeded")


async def test_only_its_namespaces(cluster: Cluster, control_plane: ControlPlane, tmp_path: Path) -> None:
    own = [cluster.namespace]
    token = token_of(control_plane, "banktuner-one", f"watchNamespaces={json.dumps(own)}")
    operator = Operator(control_plane, token, tmp_path / "one", "one", watchNamespaces=own)
    operator.start()
    try:
        await eventually(operator.leads, "the operator leads")
        await cluster.create("FineTuneJob", "card", job_spec())
        await cluster.end_pod(await cluster.pod(), 0, json.dumps(result()))
        await phase(cluster, "Succeeded")
        assert operator.end(signal.SIGTERM) == 0
        assert "forbidden" not in operator.log.lower()
    finally:
        if operator.process and operator.process.poll() is None:
            operator.end(signal.SIGKILL)


async def test_one_bad_object_delays_no_other(cluster: Cluster, operators: list[Operator]) -> None:
    operators[0].start()
    await eventually(operators[0].leads, "the operator leads")
    job = await cluster.create("FineTuneJob", "bad", job_spec())
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": names.child_name("bad", job["metadata"]["uid"], "2-run"),
            "namespace": cluster.namespace,
        },
    }
    await cluster.client.create(theirs)
    await cluster.create("FineTuneJob", "card", job_spec())
    await phase(cluster, "Pending")
    assert condition_of(await cluster.get("FineTuneJob", "card"), "Accepted")["status"] == "True"


def test_settings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP / "operator")}
    environment["BANKTUNER_SETTINGS"] = str(tmp_path / "none.json")
    command = [sys.executable, "-m", "banktuner_operator"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "BANKTUNER_SETTINGS" in ended.stderr and "none.json" in ended.stderr
