"""What the cluster runs: Debian packages, and Go programs built from the modules under `tools/`."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from localcluster.settings import CLUSTER_SOURCES, Paths
from localcluster.shell import ClusterError, run, run_twice, step

KUBERNETES_VERSION = "v1.34.4"
PACKAGES = (
    "buildah",
    "containerd",
    "containernetworking-plugins",
    "debian-archive-keyring",
    "etcd-server",
    "iptables",
    "iproute2",
    "mmdebstrap",
    "openssl",
    "python3-venv",
    "runc",
)
APT = ("apt-get", "-o", "Acquire::Retries=5")


@dataclass(frozen=True)
class Tool:
    """A Go module under `tools/` and the programs its `tool` lines (or its own main package) give."""

    module: str
    programs: tuple[str, ...]
    variables: tuple[str, ...] = ()
    package: str = "tool"


def version_variables() -> tuple[str, ...]:
    """Linker settings without which Kubernetes says v0.0.0 and refuses to speak to itself."""
    major, minor = KUBERNETES_VERSION.lstrip("v").split(".")[:2]
    values = {"gitVersion": KUBERNETES_VERSION, "gitMajor": major, "gitMinor": minor}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(f"{package}.{name}={value}" for package in packages for name, value in values.items())


KUBERNETES = Tool(
    "kubernetes",
    ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"),
    version_variables(),
)
VERSITYGW = Tool("versitygw", ("versitygw",))
TOOLS = (
    Tool("pause", ("pause",), package="."),
    KUBERNETES,
    VERSITYGW,
    Tool("coredns", ("coredns",)),
    Tool("helm", ("helm",)),
)


def fingerprint(tool: Tool) -> str:
    """Changes with the module's files and the linker settings, so that nothing else causes a rebuild."""
    digest = sha256(repr(tool).encode())
    for path in sorted((CLUSTER_SOURCES / "tools" / tool.module).iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_built(paths: Paths, tool: Tool) -> bool:
    stamp = paths.bin / f".{tool.module}.stamp"
    present = all((paths.bin / program).is_file() for program in tool.programs)
    return present and stamp.is_file() and stamp.read_text() == fingerprint(tool)


def ensure_tools(paths: Paths, tools: tuple[Tool, ...] = TOOLS) -> None:
    """Build what is missing or outdated; an interrupted build resumes from Go's caches, which go when all is built."""
    outdated = [tool for tool in tools if not is_built(paths, tool)]
    for tool in outdated:
        with step(f"build {tool.module} from Go modules (minutes when cold)"):
            build(paths, tool)
    shutil.rmtree(go_caches(paths), ignore_errors=True)


def go_caches(paths: Paths) -> Path:
    """Downloaded modules and compiled packages: 9 GB that nobody needs once the programs are there."""
    return paths.cache / "go"


def build(paths: Paths, tool: Tool) -> None:
    """Build into a folder beside `bin`, then move each program in: a running program is never overwritten."""
    fresh = paths.cache / "build" / tool.module
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    flags = " ".join(["-s -w", *(f"-X {variable}" for variable in tool.variables)])
    command = (
        "go",
        "build",
        "-trimpath",
        "-buildvcs=false",
        "-modcacherw",
        "-ldflags",
        flags,
        "-o",
        f"{fresh}/",
        tool.package,
    )
    # The module proxy may fail once; what was brought and compiled until then is kept.
    run_twice(
        command,
        cwd=CLUSTER_SOURCES / "tools" / tool.module,
        env={
            "CGO_ENABLED": "0",
            "GOFLAGS": "",
            "GOWORK": "off",
            "GOCACHE": str(go_caches(paths) / "build"),
            "GOMODCACHE": str(go_caches(paths) / "modules"),
        },
        log=paths.logs / f"build-{tool.module}.log",
        remedy="install Go 1.26 or later and make the Go module proxy reachable (GOPROXY), then run `make up` again",
    )
    paths.bin.mkdir(parents=True, exist_ok=True)
    for program in tool.programs:
        (fresh / program).replace(paths.bin / program)
    shutil.rmtree(fresh)
    (paths.bin / f".{tool.module}.stamp").write_text(fingerprint(tool))


def missing_packages() -> list[str]:
    """Those Debian packages that are not installed."""
    query = ("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *PACKAGES)
    try:
        listed = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError as error:
        raise ClusterError(
            "this machine has no dpkg", "use Debian 12 or Ubuntu, or CLUSTER=kind or CLUSTER=current"
        ) from error
    installed = {line.split()[0] for line in listed.splitlines() if line.endswith(" installed")}
    return [package for package in PACKAGES if package not in installed]


def ensure_packages(paths: Paths) -> None:
    """Install missing Debian packages without letting them start services of their own."""
    missing = missing_packages()
    if not missing:
        return
    remedy = f"run `apt-get update && apt-get install {' '.join(missing)}` by hand, then `make up` again"
    log = paths.logs / "packages.log"
    with step(f"install Debian packages: {' '.join(missing)}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        # an earlier installation may have been killed half-way
        run(("dpkg", "--configure", "-a"), log=log, remedy=remedy, env=quiet)
        run((*APT, "update"), log=log, remedy=remedy, env=quiet)
        install = (*APT, "install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", *missing)
        run(install, log=log, remedy=remedy, env=quiet)


def require_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            "the local cluster needs root", "run `sudo -E make up`, or use CLUSTER=kind or CLUSTER=current"
        )


def program(paths: Paths, name: str) -> str:
    """The full path of a program we built."""
    found: Path = paths.bin / name
    if not found.is_file():
        raise ClusterError(f"{name} is not built", "run `make up`")
    return str(found)
