"""The few things asked of kubectl and the object store, with errors that show what kubectl said."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

Json = dict[str, Any]


class KubectlError(Exception):
    """kubectl failed; the message is what it wrote."""


def kubectl(*arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
    """Standard output of one kubectl call. Raises KubectlError."""
    run = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, timeout=timeout)
    if run.returncode != 0:
        raise KubectlError(run.stderr.strip())
    return run.stdout


def apply(manifest: str | Json, namespace: str) -> None:
    """Apply YAML or one object, unknown fields refused. Raises KubectlError."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    kubectl("apply", "--validate=strict", "-n", namespace, "-f", "-", stdin=text)


def get(kind: str, name: str, namespace: str) -> Json | None:
    """One object, or None where there is none. Raises KubectlError."""
    text = kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
    return json.loads(text) if text else None


def condition(thing: Json | None, kind: str) -> Json:
    """One condition of an object, or an empty one."""
    conditions = ((thing or {}).get("status") or {}).get("conditions", [])
    return next((entry for entry in conditions if entry["type"] == kind), {})


@contextmanager
def port_forward(target: str, port: int, namespace: str) -> Iterator[int]:
    """Local port on loopback that leads to `target` (such as service/x). Raises KubectlError."""
    command = ["kubectl", "port-forward", "-n", namespace, "--address", "127.0.0.1", target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            found = re.search(r":(\d+) ->", process.stdout.readline())
            if not found:
                process.terminate()
                raise KubectlError(process.stderr.read().strip())
            yield int(found.group(1))
        finally:
            process.terminate()


def bucket() -> S3Store:
    """The bucket that the environment names (`make env`). Raises KeyError for a missing variable."""
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    return S3Store(
        os.environ["BANKTUNER_BUCKET"],
        endpoint=endpoint,
        access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ.get("AWS_REGION", "us-east-1"),
        virtual_hosted_style_request=False,
        client_options={"allow_http": endpoint.startswith("http://")},
    )


def upload(folder: Path, prefix: str) -> None:
    """Put every file of a folder under `prefix` in the bucket."""
    store = bucket()
    for path in sorted(folder.iterdir()):
        obstore.put(store, f"{prefix}/{path.name}", path.read_bytes())


def delete(prefix: str) -> None:
    """Remove everything under `prefix` from the bucket."""
    store = bucket()
    for page in store.list(prefix):
        obstore.delete(store, [entry["path"] for entry in page])


def wait_until_gone(kind: str, name: str, namespace: str, seconds: float = 120) -> None:
    """Return when an object is gone. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while get(kind, name, namespace) is not None:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind} {name} was not gone after {seconds:.0f} s")
        time.sleep(1)
