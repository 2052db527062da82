"""Bringing the node up from whatever is found, and taking it down to nothing."""

import shutil
import time

from localcluster import (
    certificates,
    configuration,
    daemons,
    dns,
    host,
    objectstore,
    processes,
    runtime,
    settings,
)
from localcluster.configuration import PAUSE_IMAGE
from localcluster.kubectl import local_client
from localcluster.settings import Paths
from localcluster.shell import ClusterError, say, step, wait_until

DAEMON_NAMES = (
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    "etcd",
    "versitygw",
    "containerd",
)
COREDNS_IMAGE = "docker.io/banktuner/coredns:dev"
SEE_LOG = "the log says why; `make down` and `make up` start afresh"


def claim(paths: Paths) -> None:
    """One local cluster a machine: its interface, ports and rule chains are the machine's."""
    owner = paths.owner.read_text().strip() if paths.owner.is_file() else ""
    if owner and owner != str(paths.cache):
        raise ClusterError(
            f"the local cluster of {owner} is up on this machine",
            f"use it (BANKTUNER_CACHE={owner}) or end it: BANKTUNER_CACHE={owner} make down",
        )
    paths.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.owner.write_text(str(paths.cache))


def up(paths: Paths) -> None:
    """Have every daemon running with its current configuration and the node Ready."""
    paths.cluster.mkdir(parents=True, exist_ok=True, mode=0o700)
    with step("certificates and configuration"):
        certificates.ensure_certificates(paths)
        configuration.write_all(paths)
        host.prepare(paths)
    with step("etcd, API server, controllers, scheduler"):
        start_control_plane(paths)
    with step("object store"):
        objectstore.start(paths)
    with step("containerd"):
        start_containerd(paths)
    with step("kubelet, kube-proxy, node Ready"):
        start_node(paths)
    with step("cluster DNS"):
        start_dns(paths)


def start_control_plane(paths: Paths) -> None:
    processes.ensure(paths, daemons.etcd(paths))
    processes.ensure(paths, daemons.api_server(paths))
    wait_until(
        lambda: local_client(paths).succeeds("get", "--raw", "/readyz"),
        seconds=300,
        what="API server",
        remedy=f"{SEE_LOG}; etcd's is {paths.logs / 'etcd.log'}",
        log=paths.logs / "kube-apiserver.log",
    )
    processes.ensure(paths, daemons.controller_manager(paths))
    processes.ensure(paths, daemons.scheduler(paths))


def start_containerd(paths: Paths) -> None:
    processes.ensure(paths, daemons.containerd(paths))
    log = paths.logs / "containerd.log"
    wait_until(lambda: runtime.answers(paths), seconds=300, what="containerd", remedy=SEE_LOG, log=log)
    runtime.import_program(paths, PAUSE_IMAGE, paths.bin / "pause", {"User": "65535:65535"})


def start_node(paths: Paths) -> None:
    processes.ensure(paths, daemons.kube_proxy(paths))
    log = paths.logs / "kubelet.log"
    wait_until(lambda: has_ready_kubelet(paths), seconds=300, what="node", remedy=SEE_LOG, log=log)


def has_ready_kubelet(paths: Paths) -> bool:
    """The kubelet gives up where containerd answers before its CRI does: then it is started again."""
    processes.ensure(paths, daemons.kubelet(paths))
    return is_ready(paths)


def is_ready(paths: Paths) -> bool:
    """Ready by a heartbeat of the kubelet that runs now: the last one's word may be left in etcd."""
    heartbeat = "jsonpath={range .status.conditions[?(@.type=='Ready')]}{.status} {.lastHeartbeatTime}{end}"
    status, _, beat = local_client(paths).output("get", "node", settings.NODE_NAME, "-o", heartbeat).partition(" ")
    if status != "True":
        return False
    record = paths.pids / "kubelet.json"
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.stat().st_mtime))
    return beat >= started


def start_dns(paths: Paths) -> None:
    runtime.import_program(paths, COREDNS_IMAGE, paths.bin / "coredns", {"User": "65532:65532"})
    local_client(paths).apply(settings.CLUSTER_SOURCES / "manifests" / "coredns.yaml")
    local_client(paths).wait_rollout("kube-system", "deployment/coredns", seconds=300)
    name = f"kubernetes.default.svc.{settings.CLUSTER_DOMAIN}"
    wait_until(
        lambda: dns.resolves(settings.DNS_SERVICE_ADDRESS, name),
        seconds=300,
        what="cluster DNS",
        remedy="`kubectl -n kube-system logs deploy/coredns` tells why",
        log=paths.logs / "kube-proxy.log",
    )


def down(paths: Paths) -> None:
    """Remove every process, container, mount, interface, rule and cgroup, and the data; images and tools stay."""
    with step("end node daemons and pods"):
        for name in ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"):
            processes.stop(paths, name)
        host.kill_cgroups()
    if paths.containerd.exists() and (paths.config / "containerd.toml").exists():
        with step("delete containers"):
            start_containerd_alone(paths)
            runtime.remove_containers(paths)
    with step("end every process"):
        for name in DAEMON_NAMES:
            processes.stop(paths, name)
        processes.stop_pids(processes.marked(paths))
    with step("remove mounts, cgroups, rules, interface"):
        host.remove_mounts(paths)
        host.remove_cgroups()
        host.remove_rules()
        host.remove_interfaces()
        host.restore_sysctls(paths)
    shutil.rmtree(paths.cluster, ignore_errors=True)
    shutil.rmtree(paths.run, ignore_errors=True)


def start_containerd_alone(paths: Paths) -> None:
    """containerd has to be there to delete its containers' records and snapshots."""
    paths.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    processes.ensure(paths, daemons.containerd(paths))
    log = paths.logs / "containerd.log"
    wait_until(lambda: runtime.answers(paths), seconds=300, what="containerd", remedy=SEE_LOG, log=log)


def status(paths: Paths) -> bool:
    """Tell each daemon's process and the node's state; True if everything runs."""
    complete = True
    for name in sorted(DAEMON_NAMES):
        found = processes.recorded_pid(paths, name)
        complete = complete and found is not None
        say(f"{name:26}{'pid ' + str(found[0]) if found else 'not running'}")
    if complete:
        say(local_client(paths).run("get", "nodes,pods", "-A").rstrip())
    return complete
