"""What our suites expect inside a cluster: the jobs' namespace with its Secret, the model, the operator by Helm."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcluster import model, settings
from localcluster.kubectl import Client
from localcluster.objectstore import Store
from localcluster.settings import REPOSITORY, Paths
from localcluster.shell import run, step

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def namespace(name: str) -> dict[str, Any]:
    """A namespace whose pods must keep the restricted standard."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": RESTRICTED}}


def store_secret(store: Store) -> dict[str, Any]:
    """The Secret `s3` that FineTuneJobs and BankingModels name as their credentials."""
    metadata = {"name": "s3", "namespace": settings.NAMESPACE}
    content = store.credentials()
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": content}


def prerequisites(store: Store) -> str:
    """A manifest (JSON) with both namespaces and the Secret."""
    items = [namespace(settings.NAMESPACE), namespace(settings.SYSTEM_NAMESPACE), store_secret(store)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def install(paths: Paths, client: Client, store: Store, value_files: tuple[Path, ...], encoder: Path | None) -> None:
    """Have namespaces, Secret, model, encoder (where one was exported) and operator there."""
    with step("namespaces and the object store's Secret"):
        client.apply(prerequisites(store))
    model.ensure_uploaded(paths, model.ensure_folder(paths), settings.MODEL_KEY, store.bucket, store.credentials())
    if encoder is not None:
        model.ensure_uploaded(paths, encoder, settings.ENCODER_KEY, store.bucket, store.credentials())
    with step("operator by Helm"):
        install_operator(paths, client, value_files)


def install_operator(paths: Paths, client: Client, value_files: tuple[Path, ...]) -> None:
    """Install or upgrade the operator and wait until it is ready."""
    forget_interrupted(client)
    space = settings.SYSTEM_NAMESPACE
    files = [option for path in value_files for option in ("-f", str(path))]
    target = (settings.RELEASE, str(REPOSITORY / "charts" / "banktuner"), "--namespace", space)
    command = (client.helm, "upgrade", "--install", *target, *files, "--wait", "--timeout", "10m")
    remedy = f"look at `kubectl -n {space} describe pods` and `kubectl -n {space} logs deploy/{settings.RELEASE}`"
    run(command, env=client.env, log=paths.logs / "helm.log", remedy=remedy)


def forget_interrupted(client: Client) -> None:
    """Drop Helm's record of an installation that was killed half-way: else it refuses every later one."""
    states = "status in (pending-install, pending-upgrade, pending-rollback)"
    selector = f"owner=helm,name={settings.RELEASE},{states}"
    client.run("--namespace", settings.SYSTEM_NAMESPACE, "delete", "secret", "-l", selector)


def values(references: Mapping[str, str], store_address: str) -> str:
    """Chart values (JSON) that name the images we built and the address of the object store."""
    names = ("operator", "proxy", "gateway", "ui", "trainer")
    chosen = {name: references[name] for name in names} | {"vllm": references["vllm-cpu"]}
    peer = {"cidr": f"{store_address}/32", "ports": [settings.S3_PORT]}
    return json.dumps({"images": chosen, "network": {"objectStores": [peer]}})
