"""What the node changes on the machine: an interface, a route, rule chains, cgroups, sysctls; and their removal."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from localcluster import settings
from localcluster.settings import Paths
from localcluster.shell import run, succeeds

REMEDY = "run as root on a Linux kernel with bridge, veth and netfilter support"
PUBLIC_PORTS = f"{settings.API_PORT},{settings.KUBELET_PORT},{settings.S3_PORT}"
OUR_CHAINS = ("BANKTUNER-FORWARD", "BANKTUNER-INPUT")
FOREIGN_PREFIXES = ("KUBE-", "BANKTUNER-")
TABLES = ("filter", "nat", "mangle")
SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.route_localnet",
    "vm.overcommit_memory",
    "kernel.panic",
    "kernel.panic_on_oops",
)  # the last three are the kubelet's
CGROUPS = Path("/sys/fs/cgroup")


def sysctl_file(name: str) -> Path:
    return Path("/proc/sys") / name.replace(".", "/")


def prepare(paths: Paths) -> None:
    """Make the interface, route, rules, cgroups and sysctls; whatever is there already stays."""
    remember_sysctls(paths)
    sysctl_file("net.ipv4.ip_forward").write_text("1")
    make_interface()
    make_rules()
    make_cgroups()


def remember_sysctls(paths: Paths) -> None:
    record = paths.cluster / "sysctls.json"
    if record.exists():
        return
    values = {name: sysctl_file(name).read_text().strip() for name in SYSCTLS if sysctl_file(name).exists()}
    beside = record.with_suffix(".new")
    beside.write_text(json.dumps(values))
    beside.replace(record)


def make_interface() -> None:
    """A bridge without ports carries the node's address and the service range: no packet for it leaves the machine."""
    name = settings.NODE_INTERFACE
    if not interface_exists():
        run(("ip", "link", "add", name, "type", "bridge"), remedy=REMEDY)
    run(("ip", "address", "replace", f"{settings.NODE_ADDRESS}/32", "dev", name), remedy=REMEDY)
    run(("ip", "link", "set", name, "up"), remedy=REMEDY)
    run(("ip", "route", "replace", settings.SERVICE_RANGE, "dev", name), remedy=REMEDY)


def interface_exists() -> bool:
    return succeeds(("ip", "link", "show", settings.NODE_INTERFACE))


def make_rules() -> None:
    """Pods reach nothing outside the machine; nobody outside reaches API server, kubelet or object store."""
    pods = settings.POD_RANGE
    outward = ("-s", pods, "!", "-d", pods, "-j", "REJECT")
    inward = ("-p", "tcp", "-m", "multiport", "--dports", PUBLIC_PORTS, "!", "-s", pods, "-j", "REJECT")
    loopback = ("-i", "lo", "-j", "RETURN")
    for chain, parent, rules in (
        ("BANKTUNER-FORWARD", "FORWARD", (outward,)),
        ("BANKTUNER-INPUT", "INPUT", (loopback, inward)),
    ):
        if not succeeds(iptables("-n", "-L", chain)):
            run(iptables("-N", chain), remedy=REMEDY)
        for rule in rules:
            if not succeeds(iptables("-C", chain, *rule)):
                run(iptables("-A", chain, *rule), remedy=REMEDY)
        if not succeeds(iptables("-C", parent, "-j", chain)):
            run(iptables("-I", parent, "-j", chain), remedy=REMEDY)


def iptables(*arguments: str, table: str = "filter") -> tuple[str, ...]:
    return ("iptables", "-w", "-t", table, *arguments)


def cgroup_roots() -> Iterator[Path]:
    """Our group in each mounted hierarchy (one on cgroup v2)."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, mount = right.split()[0], left.split()[4]
        if kind in ("cgroup", "cgroup2"):
            yield Path(mount) / settings.CGROUP


def make_cgroups() -> None:
    """The kubelet wants its root group to exist; on v1 a cpuset starts empty and must be filled from its parent."""
    for group in cgroup_roots():
        enable_controllers(group.parent)
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (group.parent / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((group.parent / name).read_text())


def enable_controllers(hierarchy: Path) -> None:
    """Hand every controller of a v2 hierarchy down to its groups; a v1 hierarchy has none to hand down."""
    listed = hierarchy / "cgroup.controllers"
    for controller in listed.read_text().split() if listed.exists() else ():
        (hierarchy / "cgroup.subtree_control").write_text(f"+{controller}")


def kill_cgroups(patience: float = 10.0) -> None:
    """SIGKILL every process of every pod."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        pids = {pid for root in cgroup_roots() for pid in members(root)}
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, 9)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def members(root: Path) -> Iterator[int]:
    # Unlike rglob, walk goes on where a group vanishes meanwhile, as those of pods that are being deleted do.
    for folder, _, _ in os.walk(root):
        try:
            yield from (int(pid) for pid in Path(folder, "cgroup.procs").read_text().split())
        except OSError:
            continue


def remove_cgroups(patience: float = 10.0) -> None:
    """Remove our groups, children first. A killed process holds its group for a moment."""
    deadline = time.monotonic() + patience
    for root in cgroup_roots():
        for folder, _, _ in os.walk(root, topdown=False):
            remove_group(Path(folder), deadline)


def remove_group(group: Path, deadline: float) -> None:
    """Raises OSError where it is still held at `deadline`, a monotonic time."""
    while group.exists():
        try:
            group.rmdir()
        except OSError:
            if group.exists() and time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def mounts_below(folders: tuple[Path, ...]) -> list[str]:
    """Mount points at or below these folders, the deepest and latest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount = line.split()[4].encode().decode("unicode_escape")
        if any(Path(mount).is_relative_to(folder) for folder in folders):
            found.append(mount)
    return found[::-1]


def remove_mounts(paths: Paths) -> None:
    for mount in mounts_below((paths.cluster, paths.containerd, paths.run, paths.buildah)):
        run(("umount", "-l", mount), remedy=f"umount {mount}")


def remove_interfaces() -> None:
    """Our bridge with its address and route; pods' veth pairs went with their network namespaces."""
    if interface_exists():
        run(("ip", "link", "delete", settings.NODE_INTERFACE), remedy=REMEDY)


def remove_rules() -> None:
    """Drop the rules that jump to our chains and kube-proxy's, then the chains; everybody else's rules stay."""
    for table in TABLES:
        saved = run(("iptables-save", "-t", table), remedy=REMEDY).splitlines()
        script = removal_script(table, saved)
        if script:
            run(("iptables-restore", "-w", "--noflush"), stdin=script, remedy=REMEDY)


def removal_script(table: str, saved: list[str]) -> str:
    """An `iptables-restore --noflush` script that removes our chains from a table as saved; "" if there are none."""
    chains = [line[1:].split()[0] for line in saved if line.startswith(tuple(f":{p}" for p in FOREIGN_PREFIXES))]
    if not chains:
        return ""
    jumps = []
    for line in saved:
        words = line.split()
        if line.startswith("-A") and words[1] not in chains and target(words) in chains:
            jumps.append(line.replace("-A", "-D", 1))
    flushes = [f":{chain} - [0:0]" for chain in chains]
    removals = [f"-X {chain}" for chain in chains]
    return "\n".join([f"*{table}", *flushes, *jumps, *removals, "COMMIT", ""])


def target(words: list[str]) -> str:
    """The chain or target that a saved rule jumps to."""
    return words[words.index("-j") + 1] if "-j" in words else ""


def restore_sysctls(paths: Paths) -> None:
    record = paths.cluster / "sysctls.json"
    if not record.exists():
        return
    for name, value in json.loads(record.read_text()).items():
        sysctl_file(name).write_text(value)
