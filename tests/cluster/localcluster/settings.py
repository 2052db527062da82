"""Where things are and which addresses they use: the one place for paths, names, addresses and ports."""

import os
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CLUSTER_SOURCES = REPOSITORY / "tests" / "cluster"

NODE_NAME = "banktuner"
NODE_INTERFACE = "bt-node"
NODE_ADDRESS = "10.245.0.1"
POD_RANGE = "10.244.0.0/24"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
DNS_SERVICE_ADDRESS = "10.96.0.10"
CLUSTER_DOMAIN = "cluster.local"
CGROUP = "banktuner"

API_PORT = 16443
ETCD_PORT = 12379
ETCD_PEER_PORT = 12380
KUBELET_PORT = 10250
S3_PORT = 7070

BUCKET = "banktuner"
REGION = "us-east-1"
NAMESPACE = "bank"
SYSTEM_NAMESPACE = "banktuner-system"
RELEASE = "banktuner"
CONTEXT = "banktuner-local"
MODEL_KEY = "models/all-MiniLM-L6-v2"
ENCODER_KEY = "models/all-MiniLM-L6-v2-onnx"

# Marks every process we start, so that each can be found again when its pid file was lost.
MARKER_VARIABLE = "BANKTUNER_LOCAL_CLUSTER"
# A unix socket's path may hold 107 bytes; the kubelet puts sockets 45 bytes below our folder.
LONGEST_CACHE_PATH = 60


def default_cache() -> Path:
    """The user's cache folder of this project; `BANKTUNER_CACHE` overrides it."""
    chosen = os.environ.get("BANKTUNER_CACHE")
    if chosen:
        return Path(chosen).resolve()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).resolve() / "banktuner"


@dataclass(frozen=True)
class Paths:
    """Every folder of one cluster. `down` drops `cluster` (named `state`), the rest of `cache` only with `--purge`."""

    cache: Path
    run: Path = Path("/run/banktuner")
    state: str = "cluster"

    @property
    def bin(self) -> Path:
        return self.cache / "bin"

    @property
    def cluster(self) -> Path:
        return self.cache / self.state

    @property
    def logs(self) -> Path:
        return self.cache / "logs"

    @property
    def pki(self) -> Path:
        return self.cluster / "pki"

    @property
    def config(self) -> Path:
        return self.cluster / "config"

    @property
    def kubeconfig(self) -> Path:
        return self.cluster / "kubeconfig"

    @property
    def kubelet(self) -> Path:
        return self.cluster / "kubelet"

    @property
    def s3(self) -> Path:
        return self.cluster / "s3"

    @property
    def containerd(self) -> Path:
        return self.cache / "containerd"

    @property
    def buildah(self) -> Path:
        return self.cache / "buildah"

    @property
    def images(self) -> Path:
        return self.cache / "images"

    @property
    def pids(self) -> Path:
        return self.run / "pids"

    @property
    def containerd_socket(self) -> Path:
        return self.run / "containerd.sock"

    @property
    def owner(self) -> Path:
        return self.run / "owner"
