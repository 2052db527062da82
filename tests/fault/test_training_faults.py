"""What is killed or deleted while a job trains changes nothing in the end; an S3 outage loses nothing."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support import cluster
from tests.support.cluster import Json
from tests.support.fixtures import s3_secret

import kube

pytestmark = pytest.mark.timeout(2700)  # the time of a fixture counts
ARCHITECTURE = {"hiddenSize": 64, "layers": 2, "heads": 2, "vocabularySize": 400, "contextLength": 64}


def job(name: str, namespace: str, **spec: Any) -> Json:
    uri = cluster.put_rows(
        f"fault/{namespace}/rows.jsonl", [cluster.alpaca(f"question number {i}", f"answer {i % 7}") for i in range(200)]
    )
    base: Json = {
        "task": "Pretraining",
        "method": "Full",
        "model": {"architecture": ARCHITECTURE},
        "dataset": {"uri": uri, "format": "Alpaca", "secretRef": {"name": "s3"}},
        "training": {"maxSteps": 400, "batchSize": 8, "maxLength": 64, "seed": 3},
    }
    return cluster.finetune(name, **(base | spec))


def wait_phase(name: str, namespace: str, *phases: str) -> None:
    cluster.eventually(
        lambda: cluster.status_of("finetunejob", name, namespace).get("phase") in phases, 180, f"{name} in {phases}"
    )


def end_state(thing: Json) -> Json:
    """What must be the same however often something was killed."""
    status = thing["status"]
    return {
        "conditions": {entry["type"]: (entry["status"], entry["reason"]) for entry in status["conditions"]},
        "phase": status["phase"],
        "attempts": status["attempts"],
        "model": status["artifact"]["modelDigest"],
    }


@pytest.fixture(scope="module")
def undisturbed(namespace: str) -> Json:
    """The end state that the others are compared with."""
    kube.apply(job("calm", namespace), namespace)
    return end_state(cluster.wait_succeeded("calm", namespace))


def test_operator_killed_during_training(namespace: str, undisturbed: Json) -> None:
    kube.apply(job("killed", namespace), namespace)
    wait_phase("killed", namespace, "Running")
    cluster.kill_operator()
    assert end_state(cluster.wait_succeeded("killed", namespace)) == undisturbed


def test_deleted_children_are_back(namespace: str, undisturbed: Json) -> None:
    kube.apply(job("deleted", namespace), namespace)
    wait_phase("deleted", namespace, "Running")
    uid = (kube.get("finetunejob", "deleted", namespace) or {})["metadata"]["uid"]
    children = [child for child in cluster.owned(uid, namespace) if not child.startswith("pod/")]
    assert {child.partition("/")[0] for child in children} >= {"job.batch", "configmap"}
    for child in children:
        kube.kubectl("delete", child, "-n", namespace)
    cluster.eventually(lambda: set(children) <= set(cluster.owned(uid, namespace)), 60, "the children are back")
    assert end_state(cluster.wait_succeeded("deleted", namespace)) == undisturbed


class Wire:
    """A TCP relay in front of the object store that can be cut and mended; reachable from pods."""

    def __init__(self) -> None:
        upstream = urlsplit(os.environ["AWS_ENDPOINT_URL"])
        self.upstream = (upstream.hostname or "", upstream.port or 80)
        self.connected = threading.Event()
        self.connected.set()
        self.open_sockets: list[socket.socket] = []
        self.lock = threading.Lock()  # no connection is let in between a cut and its end
        self.listener = socket.create_server((self.upstream[0], 0))
        self.url = f"http://{self.upstream[0]}:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self.lock:
            self.connected.clear()
            for end in self.open_sockets:
                self._end(end)
            self.open_sockets.clear()

    def mend(self) -> None:
        self.connected.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                if not self.connected.is_set():
                    client.close()
                    continue
                server = socket.create_connection(self.upstream)
                self.open_sockets += [client, server]
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    @staticmethod
    def _end(end: socket.socket) -> None:
        """Also for a thread that reads from it: `close` alone leaves that one waiting, and the connection open."""
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while content := source.recv(65536):
                target.sendall(content)
        except OSError:
            pass
        finally:
            for end in (source, target):
                self._end(end)


@pytest.fixture
def wire(namespace: str) -> Iterator[Wire]:
    """The relay, named by the Secret `s3-wire`."""
    if os.environ.get("CLUSTER", "local") != "local":
        pytest.skip("pods of this cluster cannot reach a relay on this machine")
    relay = Wire()
    kube.apply(s3_secret("s3-wire", relay.url), namespace)
    yield relay
    relay.listener.close()


LONG: dict[str, Any] = {
    "training": {"maxSteps": 1200, "batchSize": 8, "maxLength": 64, "seed": 3},
    "checkpoint": {"everySteps": 50, "keepLast": 2},
    "backoffLimit": 3,
}


@pytest.fixture(scope="module")
def undisturbed_long(namespace: str) -> Json:
    """The end state of a job that trains long enough to be disturbed in the middle."""
    kube.apply(job("calm-long", namespace, **LONG), namespace)
    return end_state(cluster.wait_succeeded("calm-long", namespace, 900))


def stored_under(name: str, namespace: str) -> list[str]:
    """Keys of everything that a job has in object storage."""
    thing = kube.get("finetunejob", name, namespace) or {}
    uri = urlsplit(thing["spec"]["output"]["uri"])
    folder = f"{uri.path.strip('/')}/{namespace}/{name}/{thing['metadata']['uid']}/"
    return sorted(meta["path"] for batch in kube.bucket().list(folder) for meta in batch)


@pytest.mark.parametrize(("name", "flags"), [("deleted-pod", []), ("killed-pod", ["--grace-period=0", "--force"])])
def test_the_next_attempt_goes_on_from_the_checkpoint(
    namespace: str, undisturbed_long: Json, name: str, flags: list[str]
) -> None:
    kube.apply(job(name, namespace, **LONG), namespace)

    def checkpoint() -> Json | None:
        return cluster.status_of("finetunejob", name, namespace).get("checkpoint")

    before = cluster.eventually(checkpoint, 300, "a checkpoint in status")
    assert before["step"] % 50 == 0 and before["uri"].endswith(f"/checkpoints/step-{before['step']}")
    uid = (kube.get("finetunejob", name, namespace) or {})["metadata"]["uid"]
    [pod] = [child for child in cluster.owned(uid, namespace) if child.startswith("pod/")]
    kube.kubectl("delete", pod, "-n", namespace, *flags)

    def second() -> str | None:
        logs = [
            kube.kubectl("logs", child, "-n", namespace, "-c", "trainer")
            for child in cluster.owned(uid, namespace)
            if child.startswith("pod/") and child != pod and _started(child, namespace)
        ]
        return next((log for log in logs if "goes on from the checkpoint of step" in log), None)

    log = cluster.eventually(second, 300, "the second attempt goes on")
    step = int(log.partition("goes on from the checkpoint of step ")[2].partition(",")[0])
    assert step >= before["step"]
    done = cluster.wait_succeeded(name, namespace, 900)
    assert end_state(done) == undisturbed_long | {"attempts": 2}
    keys = stored_under(name, namespace)
    assert [key.rpartition("/")[2] for key in keys].count("COMMITTED") == 1, "one attempt committed"
    assert not [key for key in keys if "/checkpoints/" in key], "what nobody needs any more is deleted"


def _started(pod: str, namespace: str) -> bool:
    text = kube.kubectl("get", pod, "-n", namespace, "-o", "jsonpath={.status.containerStatuses[0].state}")
    return "running" in text or "terminated" in text


def test_object_store_down_while_training(namespace: str, wire: Wire) -> None:
    output = {"uri": f"s3://{os.environ['BANKTUNER_BUCKET']}/e2e/wire", "secretRef": {"name": "s3-wire"}}
    longer = LONG | {"training": LONG["training"] | {"maxSteps": 3000}}  # it still trains when the outage is told
    kube.apply(job("no-store", namespace, **longer, output=output), namespace)
    wait_phase("no-store", namespace, "Running")
    wire.cut()

    def told() -> Json | None:
        status = cluster.status_of("finetunejob", "no-store", namespace)
        reasons = [entry["reason"] for entry in status["conditions"]]
        return status if "CheckpointNotStored" in reasons else None

    status = cluster.eventually(told, 180, "a condition that tells of the outage")
    condition = next(entry for entry in status["conditions"] if entry["reason"] == "CheckpointNotStored")
    assert "spec.output.uri" in condition["message"] and "the training goes on" in condition["message"]
    assert status["phase"] == "Running"
    wire.mend()
    done = end_state(cluster.wait_succeeded("no-store", namespace, 900))
    kube.apply(job("calm-longer", namespace, **longer), namespace)
    assert done == end_state(cluster.wait_succeeded("calm-longer", namespace, 900))


def test_object_store_down_while_publishing(namespace: str, wire: Wire, undisturbed: Json) -> None:
    output = {"uri": f"s3://{os.environ['BANKTUNER_BUCKET']}/e2e/wire", "secretRef": {"name": "s3-wire"}}
    kube.apply(job("outage", namespace, output=output), namespace)
    wait_phase("outage", namespace, "Running")
    wire.cut()
    wait_phase("outage", namespace, "Publishing")

    def told() -> Json | None:
        conditions = cluster.status_of("finetunejob", "outage", namespace)["conditions"]
        return next((entry for entry in conditions if entry["reason"] == "ObjectStoreUnavailable"), None)

    condition = cluster.eventually(told, 60, "a condition that tells of the outage")
    assert "spec.output.uri" in condition["message"]
    wire.mend()
    assert end_state(cluster.wait_succeeded("outage", namespace)) == undisturbed
