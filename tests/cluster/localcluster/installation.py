"""What our suites expect inside a cluster: the jobs' namespace with its Secret, and the operator by Helm."""

import json
from collections.abc import Mapping
from pathlib import Path

from localcluster import settings, tools
from localcluster.settings import REPOSITORY, Paths
from localcluster.shell import run

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}


def namespace(name: str, labels: Mapping[str, str]) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def store_secret(endpoint: str, region: str, access_key: str, secret_key: str) -> dict[str, object]:
    """The Secret `s3` that FineTuneJobs and BankingModels name as their credentials."""
    data = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": region,
    }
    metadata = {"name": "s3", "namespace": settings.NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "stringData": data}


def prerequisites(endpoint: str, region: str, access_key: str, secret_key: str) -> str:
    """A manifest (JSON) with both namespaces and the Secret."""
    items = [
        namespace(settings.NAMESPACE, RESTRICTED),
        namespace(settings.SYSTEM_NAMESPACE, RESTRICTED),
        store_secret(endpoint, region, access_key, secret_key),
    ]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def install_operator(paths: Paths, kubeconfig: Mapping[str, str], value_files: tuple[Path, ...]) -> None:
    """Install or upgrade the operator and wait for it; `kubeconfig` holds KUBECONFIG if it is not the person's own."""
    namespace, release = settings.SYSTEM_NAMESPACE, settings.RELEASE
    log = paths.logs / "helm.log"
    forget_interrupted(paths, kubeconfig)
    files = [option for path in value_files for option in ("-f", str(path))]
    target = (release, str(REPOSITORY / "charts" / "banktuner"), "--namespace", namespace, "--create-namespace")
    command = (tools.program(paths, "helm"), "upgrade", "--install", *target, *files, "--wait", "--timeout", "3m")
    remedy = (
        f"`kubectl -n {namespace} describe pods` and `kubectl -n {namespace} logs -l app.kubernetes.io/name=banktuner`"
    )
    run(command, env=kubeconfig, log=log, remedy=f"look at {remedy}")


def forget_interrupted(paths: Paths, kubeconfig: Mapping[str, str]) -> None:
    """Drop Helm's record of an installation that was killed half-way: else it refuses every later one."""
    states = "status in (pending-install, pending-upgrade, pending-rollback)"
    selector = f"owner=helm,name={settings.RELEASE},{states}"
    kubectl = (tools.program(paths, "kubectl"), "--namespace", settings.SYSTEM_NAMESPACE)
    run((*kubectl, "delete", "secret", "-l", selector), env=kubeconfig, remedy="see `make status`")


def image_values(references: Mapping[str, str]) -> str:
    """Chart values (JSON) that name the images we built."""
    names = {"operator": "operator", "proxy": "proxy", "gateway": "gateway", "trainer": "trainer", "vllm": "vllm-cpu"}
    return json.dumps({"images": {value: references[image] for value, image in names.items()}})
