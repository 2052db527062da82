"""A control plane of its own for these tests: etcd, kube-apiserver and kube-controller-manager, no node.

The tests play the kubelet, so nothing else may: a cluster with nodes would run the pods.
"""

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.ports import free_port

ADMIN_TOKEN = "integration-admin"
START_SECONDS = 300
BINARIES = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")


def missing_binaries() -> list[str]:
    """Programs that are needed and not found."""
    return [name for name in BINARIES if binary(name) is None]


def binary(name: str) -> str | None:
    """Where a program is: in the local cluster's tools, or in PATH."""
    cache = Path(os.environ.get("BANKTUNER_CACHE", Path.home() / ".cache" / "banktuner"))
    built = cache / "bin" / name
    return str(built) if built.exists() else shutil.which(name)


@dataclass
class ControlPlane:
    """Processes under one folder."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def kubeconfig(self) -> Path:
        """File for kubectl and for the operator."""
        return self.folder / "kubeconfig"

    def start(self) -> None:
        """Start and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, etcd, peer, controllers = (free_port() for _ in range(4))
        self._keys()
        self._spawn(
            "etcd",
            f"--data-dir={self.folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{etcd}",
            f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self.folder}/certificates",
            f"--token-auth-file={self.folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder}/sa.key",
            f"--service-account-signing-key-file={self.folder}/sa.key",
            "--service-cluster-ip-range=10.97.0.0/24",
        )
        self._write_kubeconfig()
        self._wait("/readyz")
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--service-account-private-key-file={self.folder}/sa.key",
            f"--secure-port={controllers}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder}/certificates",
            "--use-service-account-credentials=false",
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=400",
        )
        self._wait("/api/v1/namespaces/default/serviceaccounts/default")  # the controllers work

    def stop(self) -> None:
        """End every process that was started, the newest first."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubectl(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl; the caller looks at the exit code."""
        command = [str(binary("kubectl")), f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, check=False)

    def _keys(self) -> None:
        subprocess.run(["openssl", "genrsa", "-out", f"{self.folder}/sa.key", "2048"], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,admin,"system:masters"\n')

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen([str(binary(name)), *arguments], stdout=log, stderr=log)
        self.processes.append(process)

    def _write_kubeconfig(self) -> None:
        cluster = {"server": f"https://127.0.0.1:{self.port}", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "admin", "user": {"token": ADMIN_TOKEN}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
            "current-context": "test",
        }
        self.kubeconfig.write_text(json.dumps(config))

    def _wait(self, path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self.kubectl("get", "--raw", path).returncode:
            if time.monotonic() > deadline or any(process.poll() is not None for process in self.processes):
                logs = {file.name: file.read_text(errors="replace")[-2000:] for file in self.folder.glob("*.log")}
                raise RuntimeError(f"the API server does not answer {path}: {logs}")
            time.sleep(0.3)
