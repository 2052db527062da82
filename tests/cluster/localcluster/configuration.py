"""Configuration files of the node's daemons, rendered from settings (JSON where YAML is read: JSON is YAML)."""

import json
from pathlib import Path
from typing import Any

from localcluster import settings
from localcluster.settings import Paths
from localcluster.shell import write_private

PAUSE_IMAGE = "docker.io/banktuner/pause:dev"


def write_if_changed(path: Path, text: str) -> Path:
    """Write a configuration file, untouched where it already says so."""
    if not path.is_file() or path.read_text() != text:
        write_private(path, text)
    return path


def write_json(path: Path, value: Any) -> Path:
    return write_if_changed(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def kubeconfig(paths: Paths, name: str, server: str) -> dict[str, Any]:
    """A client configuration by the certificate `name`; `server` is the API server's URL."""
    pki = paths.pki
    user = {"client-certificate": str(pki / f"{name}.crt"), "client-key": str(pki / f"{name}.key")}
    cluster = {"server": server, "certificate-authority": str(pki / "ca.crt")}
    context = {"cluster": settings.CONTEXT, "user": name, "namespace": settings.NAMESPACE}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": settings.CONTEXT, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": settings.CONTEXT, "context": context}],
        "current-context": settings.CONTEXT,
    }


def kubelet(paths: Paths) -> dict[str, Any]:
    """KubeletConfiguration for a machine without systemd and without CAP_SYS_RESOURCE, on cgroup v1 or v2."""
    pki = paths.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.NODE_ADDRESS,
        "port": settings.KUBELET_PORT,
        "healthzPort": 0,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet-server.key"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{settings.CGROUP}",
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        # oom_score_adj cannot be lowered without CAP_SYS_RESOURCE
        "oomScoreAdj": 0,
        "featureGates": {"KubeletInUserNamespace": True},
        "clusterDNS": [settings.DNS_SERVICE_ADDRESS],
        "clusterDomain": settings.CLUSTER_DOMAIN,
        "containerRuntimeEndpoint": f"unix://{paths.containerd_socket}",
        # else the kubelet deletes imported images, which no registry can give back
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "maxPods": 110,
        "nodeStatusUpdateFrequency": "5s",
        "podLogsDir": str(paths.cluster / "pod-logs"),
        "resolvConf": str(paths.config / "resolv.conf"),
        "serializeImagePulls": False,
        "shutdownGracePeriod": "0s",
    }


def kube_proxy(paths: Paths) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": settings.POD_RANGE,
        "hostnameOverride": settings.NODE_NAME,
        "bindAddress": settings.NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(paths.config / "kube-proxy.kubeconfig")},
        # a NodePort is for this machine's own clients
        "nodePortAddresses": ["127.0.0.0/8", f"{settings.NODE_ADDRESS}/32"],
        # conntrack's limits belong to the machine, not to us
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def network(paths: Paths) -> dict[str, Any]:
    """CNI configuration: a routed veth pair a pod, so that Services need no bridge netfilter."""
    allocation = {
        "type": "host-local",
        "ranges": [[{"subnet": settings.POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(paths.cluster / "cni"),
    }
    return {
        "cniVersion": "0.4.0",
        "name": "banktuner",
        "plugins": [{"type": "ptp", "ipMasq": False, "ipam": allocation}],
    }


def containerd(paths: Paths) -> str:
    """containerd's configuration (TOML): its own root, state and socket; pod networks named below its state."""
    return f"""version = 2
root = "{paths.containerd}"
state = "{paths.run}/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]

[grpc]
address = "{paths.containerd_socket}"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
disable_apparmor = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "{paths.config}/cni"
"""


def write_all(paths: Paths) -> None:
    """Write every file the daemons read."""
    config = paths.config
    local = f"https://127.0.0.1:{settings.API_PORT}"
    for name in ("controller-manager", "scheduler", "kube-proxy", "kubelet"):
        write_json(config / f"{name}.kubeconfig", kubeconfig(paths, name, local))
    write_json(paths.kubeconfig, kubeconfig(paths, "admin", local))
    write_json(config / "kubelet.json", kubelet(paths))
    write_json(config / "kube-proxy.json", kube_proxy(paths))
    write_json(config / "cni" / "10-banktuner.conflist", network(paths))
    write_if_changed(config / "containerd.toml", containerd(paths))
    # pods resolve names in the cluster only: nothing of ours asks the machine's resolver
    write_if_changed(config / "resolv.conf", "nameserver 127.0.0.1\n")
