"""A real API server for the session; a namespace of its own for every test, with restricted pod security."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from banktuner_operator.cluster.client import Client
from tests.integration import controlplane
from tests.integration.kubelet import Cluster

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[controlplane.ControlPlane]:
    missing = controlplane.missing_binaries()
    if missing:
        pytest.skip(f"{', '.join(missing)} not found: `make up` builds them")
    plane = controlplane.ControlPlane(tmp_path_factory.mktemp("controlplane"))
    try:
        plane.start()
        applied = plane.kubectl("apply", "--server-side", "-f", str(TOP / "crds"))
        assert applied.returncode == 0, applied.stderr
        established = plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=300s")
        assert established.returncode == 0, established.stderr
        yield plane
    finally:
        plane.stop()


@pytest.fixture
async def client(control_plane: controlplane.ControlPlane) -> AsyncIterator[Client]:
    async with await Client.connect(str(control_plane.kubeconfig)) as connected:
        yield connected


@pytest.fixture
async def cluster(client: Client) -> AsyncIterator[Cluster]:
    namespace = f"test-{secrets.token_hex(4)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}}
    await client.call("POST", "/api/v1/namespaces", {}, body)
    made = Cluster(client, namespace)
    await made.service_account()
    yield made
    await client.call("DELETE", f"/api/v1/namespaces/{namespace}")
