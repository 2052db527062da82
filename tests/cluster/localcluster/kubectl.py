"""kubectl and helm of one cluster: the kubeconfig is always the cluster's own, whatever the person's shell has set."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localcluster import shell, tools
from localcluster.settings import Paths

REMEDY = "see `cluster.py status` and `cluster.py logs kube-apiserver`"


@dataclass(frozen=True)
class Client:
    """Which programs to run, and the environment that leads them to their cluster."""

    kubectl: str
    helm: str
    env: Mapping[str, str]
    remedy: str = REMEDY

    def command(self, *arguments: str) -> tuple[str, ...]:
        return (self.kubectl, "--request-timeout=20s", *arguments)

    def succeeds(self, *arguments: str) -> bool:
        return shell.succeeds(self.command(*arguments), self.env)

    def output(self, *arguments: str) -> str:
        """What kubectl printed; an empty text where it failed."""
        try:
            return self.run(*arguments)
        except shell.ClusterError:
            return ""

    def run(self, *arguments: str) -> str:
        """What kubectl printed; ClusterError where it failed."""
        return shell.run(self.command(*arguments), env=self.env, remedy=self.remedy)

    def apply(self, manifest: Path | str) -> None:
        """Server-side apply of a file, or of a text."""
        options = ("apply", "--server-side", "--force-conflicts", "--field-manager=banktuner-cluster", "-f")
        source, text = (str(manifest), None) if isinstance(manifest, Path) else ("-", manifest)
        shell.run(self.command(*options, source), env=self.env, stdin=text, remedy=self.remedy)

    def wait_rollout(self, namespace: str, workload: str, *, seconds: int) -> None:
        """Wait until the workload's current generation is available."""
        waiting = (self.kubectl, "-n", namespace, "rollout", "status", workload, f"--timeout={seconds}s")
        shell.run(waiting, env=self.env, remedy=f"`kubectl -n {namespace} describe pods` tells why")


def local_client(paths: Paths) -> Client:
    """The client of the local cluster, with the programs that we built."""
    kubectl, helm = tools.program(paths, "kubectl"), tools.program(paths, "helm")
    return Client(kubectl, helm, {"KUBECONFIG": str(paths.kubeconfig)})
