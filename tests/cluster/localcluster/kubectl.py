"""kubectl against our own cluster: the kubeconfig is always named, the person's own contexts are never touched."""

from pathlib import Path

from localcluster import shell, tools
from localcluster.settings import Paths

REMEDY = "see `make status` and `make logs NAME=kube-apiserver`"


def command(paths: Paths, *arguments: str) -> tuple[str, ...]:
    return (tools.program(paths, "kubectl"), f"--kubeconfig={paths.kubeconfig}", "--request-timeout=20s", *arguments)


def succeeds(paths: Paths, *arguments: str) -> bool:
    return shell.succeeds(command(paths, *arguments))


def output(paths: Paths, *arguments: str) -> str:
    """What kubectl printed; an empty text where it failed."""
    try:
        return shell.run(command(paths, *arguments), remedy=REMEDY)
    except shell.ClusterError:
        return ""


def apply(paths: Paths, manifest: Path | str) -> None:
    """Server-side apply of a file, or of a text."""
    options = ("apply", "--server-side", "--force-conflicts", "--field-manager=banktuner-cluster", "-f")
    if isinstance(manifest, Path):
        shell.run(command(paths, *options, str(manifest)), remedy=REMEDY)
    else:
        shell.run(command(paths, *options, "-"), stdin=manifest, remedy=REMEDY)


def wait_rollout(paths: Paths, namespace: str, workload: str, *, seconds: int) -> None:
    """Wait until the workload's current generation is available."""
    kubectl, config = tools.program(paths, "kubectl"), f"--kubeconfig={paths.kubeconfig}"
    waiting = (kubectl, config, "-n", namespace, "rollout", "status", workload, f"--timeout={seconds}s")
    look = f"kubectl -n {namespace} describe pods` tells why; `make logs NAME=kubelet"
    shell.run(waiting, remedy=f"`{look}`")
