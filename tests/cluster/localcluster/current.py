"""CLUSTER=current: the cluster of the present kube-context, with somebody else's S3 store and images."""

import os
import shutil
from pathlib import Path

from localcluster import environment, installation, objectstore, settings
from localcluster.kubectl import Client
from localcluster.settings import Paths
from localcluster.shell import ClusterError, run, say


def client() -> Client:
    """The person's own kubectl and helm, in the person's own context."""
    found = {name: shutil.which(name) for name in ("kubectl", "helm")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise ClusterError(f"{' and '.join(missing)} not found", "install them, or use CLUSTER=local")
    return Client(str(found["kubectl"]), str(found["helm"]), {}, "check the cluster and your rights in it")


def value_file() -> Path:
    chosen = os.environ.get("BANKTUNER_VALUES", "")
    if not Path(chosen).is_file():
        raise ClusterError(
            "BANKTUNER_VALUES does not name a file",
            "write chart values with images that this cluster can pull (charts/banktuner/values.yaml lists them)",
        )
    return Path(chosen)


def up(paths: Paths) -> None:
    """Install the operator, the Secret and the model there."""
    ours, values = client(), value_file()
    store = objectstore.from_environment(os.environ)
    say(f"cluster of the context {ours.run('config', 'current-context').strip()}")
    say(f"search in documents needs an ONNX encoder at {settings.ENCODER_KEY} of the bucket: see docs/retrieval.md")
    installation.install(paths, ours, store, (values,), encoder=None)


def refresh(paths: Paths) -> None:
    up(paths)


def down(paths: Paths, purge: bool) -> None:
    """Uninstall the operator; namespaces, custom resources and their kinds stay, and so does the cache with `purge`."""
    ours = client()
    if purge:
        raise ClusterError("--purge is for CLUSTER=local", "run `down` without it")
    command = (ours.helm, "uninstall", settings.RELEASE, "--namespace", settings.SYSTEM_NAMESPACE, "--ignore-not-found")
    run(command, log=paths.logs / "helm.log", remedy="see the log")


def exports(paths: Paths) -> dict[str, str]:
    store = objectstore.from_environment(os.environ)
    kubeconfig = os.environ.get("KUBECONFIG")
    return environment.exports(store, Path(kubeconfig) if kubeconfig else None, paths.bin, os.environ.get("PATH", ""))


def status(paths: Paths) -> bool:
    return client().succeeds(
        "--namespace", settings.SYSTEM_NAMESPACE, "rollout", "status", f"deploy/{settings.RELEASE}"
    )
