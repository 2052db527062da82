"""What tests on a real cluster share: waiting, objects to apply, the operator's pod, leftovers."""

import hashlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import obstore

import kube

Json = dict[str, Any]
T = TypeVar("T")
BUCKET_PREFIX = "e2e"
TOKEN = "a-token-that-only-tests-know"
IMAGE_UID = 10001
SMALL = {"cpu": "2", "memory": "3Gi"}


def eventually(look: Callable[[], T], seconds: float, what: str) -> T:
    """The first truthy answer of `look`; fails with its last answer, or kubectl's last error, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        seen: T | kube.KubectlError
        try:
            seen = look()
            if seen:
                return seen
        except kube.KubectlError as error:  # one call of hundreds
            seen = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}; last seen: {seen!r}")
        time.sleep(0.5)


def put_rows(key: str, rows: list[Json]) -> str:
    """Upload rows as JSONL and return the uri."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    return put_bytes(key, text.encode())


def put_bytes(key: str, content: bytes) -> str:
    """Upload one object and return its uri."""
    obstore.put(kube.bucket(), f"{BUCKET_PREFIX}/{key}", content)
    return f"s3://{os.environ['BANKTUNER_BUCKET']}/{BUCKET_PREFIX}/{key}"


def alpaca(question: str, answer: str) -> Json:
    """One row of the Alpaca form."""
    return {"instruction": question, "input": "", "output": answer}


def finetune(name: str, **spec: Any) -> Json:
    """A FineTuneJob that differs from a small default by `spec`."""
    output = {"uri": f"s3://{os.environ['BANKTUNER_BUCKET']}/{BUCKET_PREFIX}/artifacts", "secretRef": {"name": "s3"}}
    default: Json = {"output": output, "resources": SMALL, "backoffLimit": 0}
    return {
        "apiVersion": "banktuner.dev/v1alpha1",
        "kind": "FineTuneJob",
        "metadata": {"name": name},
        "spec": default | spec,
    }


def status_of(kind: str, name: str, namespace: str) -> Json:
    """The status of an object, empty while there is none."""
    return (kube.get(kind, name, namespace) or {}).get("status") or {}


def wait_finished(name: str, namespace: str, seconds: float = 420) -> Json:
    """The object once it is Complete or Failed."""

    def look() -> Json | None:
        thing = kube.get("finetunejob", name, namespace)
        ended = [kube.condition(thing, kind).get("status") for kind in ("Complete", "Failed")]
        return thing if "True" in ended else None

    return eventually(look, seconds, f"FineTuneJob {name} finished")


def wait_succeeded(name: str, namespace: str, seconds: float = 420) -> Json:
    """The object once it is Complete; fails with its message when it is Failed."""
    thing = wait_finished(name, namespace, seconds)
    assert kube.condition(thing, "Complete").get("status") == "True", kube.condition(thing, "Failed")
    return thing


def operator_namespace() -> str:
    """Where the operator runs."""
    return "banktuner-system"


def kill_operator() -> None:
    """SIGKILL the operator. On other machines' nodes, its pod is deleted without grace, which is as near as it gets."""
    if os.environ.get("CLUSTER", "local") != "local":
        selector = "app.kubernetes.io/component=operator"
        kube.kubectl("delete", "pod", "-n", operator_namespace(), "-l", selector, "--grace-period=0", "--force")
        return
    found = [process for process in Path("/proc").glob("[0-9]*") if _is_operator(process)]
    assert found, "no operator process on this node"
    for process in found:
        os.kill(int(process.name), signal.SIGKILL)


def _is_operator(process: Path) -> bool:
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
        return b"banktuner_operator" in words and process.stat().st_uid == IMAGE_UID
    except OSError:
        return False  # it has ended meanwhile


def owned(uid: str, namespace: str) -> list[str]:
    """kind/name of everything that carries the owner's uid in a label."""
    kinds = "jobs,configmaps,networkpolicies,deployments,services,pods,replicasets"
    text = kube.kubectl("get", kinds, "-n", namespace, "-l", f"banktuner.dev/owner-uid={uid}", "-o", "name")
    return sorted(text.split())


def create_tokens(namespace: str) -> None:
    """The Secret that lets callers with TOKEN in."""
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    secret: Json = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chat-tokens"}}
    kube.apply(secret | {"stringData": {"tester": digest}}, namespace)
