"""containerd's side of images and containers, through its own `ctr`."""

import subprocess
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Any

from localcluster import archives
from localcluster.settings import Paths
from localcluster.shell import ClusterError, run, succeeds

REMEDY = "see `cluster.py logs containerd`; `make down` and `make up` start it afresh"


def ctr(paths: Paths, *arguments: str) -> tuple[str, ...]:
    return ("ctr", "--address", str(paths.containerd_socket), "--namespace", "k8s.io", *arguments)


def answers(paths: Paths) -> bool:
    return succeeds(ctr(paths, "version"))


def images(paths: Paths) -> dict[str, str]:
    """Image name -> manifest digest of every image there is."""
    lines = run(ctr(paths, "images", "list"), remedy=REMEDY).splitlines()[1:]
    return {line.split()[0]: line.split()[2] for line in lines if line.strip()}


def keep_only(paths: Paths, kept: Set[str]) -> None:
    """Delete the other images of the repositories in `kept`, which are names with tags.

    The kubelet knows an image by an id of its own, which would keep the layers.
    """
    known = images(paths)
    ours = {name.rpartition(":")[0] for name in kept}
    outdated = {name for name in known if name.rpartition(":")[0] in ours and name not in kept}
    digests = {known[name] for name in outdated} - {known[name] for name in kept if name in known}
    for name in known:
        if name in outdated or (name.startswith("sha256:") and known[name] in digests):
            succeeds(ctr(paths, "images", "delete", name))


def contents(paths: Paths) -> set[str]:
    """Digests of every blob there is."""
    return set(run(ctr(paths, "content", "list", "--quiet"), remedy=REMEDY).split())


def import_image(
    paths: Paths, names: tuple[str, ...], manifest: bytes, blobs: Mapping[str, archives.Blob | bytes]
) -> None:
    """Stream an image into containerd and unpack it; layers it already holds are neither sent nor unpacked again."""
    command = ctr(paths, "images", "import", "-")
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdin and process.stdout
    try:
        archives.write_archive(process.stdin, names, manifest, blobs)
        process.stdin.close()
    except BrokenPipeError:
        pass
    output = process.stdout.read().decode()
    if process.wait() != 0:
        raise ClusterError(f"containerd did not take {names[0]}: {output[-1500:]}", REMEDY)


def import_program(paths: Paths, name: str, program: Path, config: dict[str, Any]) -> None:
    """Have an image of one static program; nothing is done where this very image is there."""
    manifest, blobs = archives.program_image(program, config)
    if images(paths).get(name) != archives.digest_of(manifest):
        import_image(paths, (name,), manifest, blobs)


def remove_containers(paths: Paths) -> None:
    """Delete every container; their processes have ended."""
    for task in run(ctr(paths, "tasks", "list", "--quiet"), remedy=REMEDY).split():
        succeeds(ctr(paths, "tasks", "delete", "--force", task))
    for container in run(ctr(paths, "containers", "list", "--quiet"), remedy=REMEDY).split():
        run(ctr(paths, "containers", "delete", container), remedy=REMEDY)
