"""Fixtures of the suites that need a whole cluster: a namespace for each module, and what to read after a failure."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cluster

import kube

REPORTS = Path("build/test-reports")


@pytest.fixture(scope="session", autouse=True)
def cluster_is_there() -> None:
    """Fail early, with the remedy."""
    missing = [name for name in ("KUBECONFIG", "AWS_ENDPOINT_URL", "BANKTUNER_BUCKET") if name not in os.environ]
    assert not missing, f'{", ".join(missing)} not set: run `make up`, then `eval "$(make env)"`'
    kube.kubectl("get", "crd", "finetunejobs.banktuner.dev", "bankingmodels.banktuner.dev")


@pytest.fixture(scope="module")
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A restricted namespace with the Secret `s3`, removed at the end."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}, name)
    kube.apply(s3_secret("s3", os.environ["AWS_ENDPOINT_URL"]), name)
    cluster.create_tokens(name)
    failed_before = request.session.testsfailed
    yield name
    if request.session.testsfailed > failed_before:
        write_report(name, REPORTS / request.module.__name__.rpartition(".")[2])
    kube.kubectl("delete", "finetunejobs,bankingmodels", "--all", "-n", name)
    kube.kubectl("delete", "namespace", name, "--wait=false")


def s3_secret(name: str, endpoint: str) -> cluster.Json:
    """A Secret with the environment's credentials for `endpoint`."""
    keys = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
    data = {key: os.environ[key] for key in keys} | {"AWS_ENDPOINT_URL": endpoint}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def write_report(namespace: str, folder: Path) -> None:
    """Objects, events and logs of a namespace, and the operator's log."""
    folder.mkdir(parents=True, exist_ok=True)
    calls = {
        "objects.yaml": ["get", "banktuner,all,configmaps,networkpolicies", "-n", namespace, "-o", "yaml"],
        "events.txt": ["get", "events", "-n", namespace, "--sort-by=.lastTimestamp"],
        "operator.log": ["logs", "-n", cluster.operator_namespace(), "deploy/banktuner", "--tail=3000"],
    }
    pods = kube.kubectl("get", "pods", "-n", namespace, "-o", "name").split()
    calls |= {f"{pod.replace('/', '-')}.log": ["logs", "-n", namespace, pod, "--all-containers"] for pod in pods}
    for file, arguments in calls.items():
        run = subprocess.run(["kubectl", *arguments], capture_output=True, text=True)
        (folder / file).write_text(run.stdout + run.stderr, "utf-8")
