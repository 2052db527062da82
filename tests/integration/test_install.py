"""The chart's life on a control plane of its own: install, upgrade, uninstall, install again."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import controlplane
from tests.integration.controlplane import ControlPlane, binary
from tests.integration.kubelet import job_spec

CHART = Path(__file__).parents[2] / "charts/banktuner"
NAMESPACE = "banktuner-system"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    missing = [*controlplane.missing_binaries(), *([] if binary("helm") else ["helm"])]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: `make up` builds them")
    made = ControlPlane(tmp_path_factory.mktemp("install"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def helm(plane: ControlPlane, *arguments: str) -> str:
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
    command = [str(binary("helm")), *arguments, "-n", NAMESPACE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def certificate(plane: ControlPlane) -> str:
    found = plane.kubectl("-n", NAMESPACE, "get", "secret", "banktuner-agent-tls", "-o", "jsonpath={.data.tls\\.crt}")
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_install_upgrade_uninstall(plane: ControlPlane) -> None:
    helm(plane, "install", "banktuner", str(CHART), "--create-namespace")
    first = certificate(plane)
    assert first
    body = {"apiVersion": "banktuner.dev/v1alpha1", "kind": "FineTuneJob", "metadata": {"name": "card"}}
    created = plane.kubectl("create", "-f", "-", stdin=json.dumps(body | {"spec": job_spec()}))
    assert created.returncode == 0, created.stderr
    helm(plane, "upgrade", "banktuner", str(CHART), "--set", "defaultEngine=VLLM")
    assert certificate(plane) == first, "an upgrade must keep the certificate that running pods trust"
    settings = plane.kubectl("-n", NAMESPACE, "get", "configmap", "banktuner-settings", "-o", "yaml").stdout
    assert '"defaultEngine": "VLLM"' in settings
    helm(plane, "rollback", "banktuner", "1")
    assert certificate(plane) == first
    helm(plane, "uninstall", "banktuner")
    kept = plane.kubectl("get", "finetunejob", "card", "-o", "name")
    assert kept.stdout.strip() == "finetunejob.banktuner.dev/card"
    left = plane.kubectl("-n", NAMESPACE, "get", "deployment,service,configmap,secret,serviceaccount", "-o", "name")
    assert "banktuner" not in left.stdout
    rights = plane.kubectl("get", "clusterrole,clusterrolebinding,validatingadmissionpolicy", "-o", "name")
    assert "banktuner" not in rights.stdout
    helm(plane, "install", "banktuner", str(CHART))
    deleted = plane.kubectl("delete", "finetunejob", "card", "--timeout=20s")
    assert deleted.returncode == 0, "deletion needs no operator: " + deleted.stderr
