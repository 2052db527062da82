"""CLUSTER=kind: a kind cluster where Docker and kind are; images by Docker, our S3 server on the host."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

from localcluster import (
    catalog,
    configuration,
    encoder,
    environment,
    installation,
    objectstore,
    processes,
    settings,
    tools,
)
from localcluster.kubectl import Client
from localcluster.settings import REPOSITORY, Paths
from localcluster.shell import ClusterError, run, step, succeeds

NAME = "banktuner"
REMEDY = "install Docker and kind and be allowed to use them, or use CLUSTER=local"
NEEDED = ("docker", "kind", "kubectl", "helm")
# the public image that every Dockerfile starts from
BASE_TAG = "public"


def own_paths(paths: Paths) -> Paths:
    """State of its own: a local cluster's stays untouched."""
    return replace(paths, run=paths.cache / "kind" / "run", state="kind")


def up(paths: Paths) -> None:
    """Create the cluster, build and load the images, start the S3 server, install the operator."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        raise ClusterError(f"{', '.join(missing)} not found", REMEDY)
    tools.ensure_tools(paths, (tools.VERSITYGW,))
    ours = own_paths(paths)
    ours.cluster.mkdir(parents=True, exist_ok=True)
    if NAME not in run(("kind", "get", "clusters"), remedy=REMEDY).split():
        with step("create the kind cluster"):
            run(("kind", "create", "cluster", "--name", NAME, "--wait", "180s"), env=kubeconfig(ours), remedy=REMEDY)
    refresh(paths)


def refresh(paths: Paths) -> None:
    """Build and load the images, and have the operator run on them."""
    ours = own_paths(paths)
    references = load_images(ours)
    address = gateway()
    with step("object store"):
        store = objectstore.start(ours, address)
    chosen = configuration.write_if_changed(ours.config / "values.json", installation.values(references, address))
    client = Client("kubectl", "helm", kubeconfig(ours), "see `kind export logs`")
    exported = encoder.ensure_exported(ours, partial(run_in, references["trainer"]))
    installation.install(ours, client, store, (settings.CLUSTER_SOURCES / "values.yaml", chosen), exported)


def kubeconfig(paths: Paths) -> dict[str, str]:
    return {"KUBECONFIG": str(paths.kubeconfig)}


def gateway() -> str:
    """The host's IPv4 address on kind's network: pods and host reach the S3 server there."""
    described = json.loads(run(("docker", "network", "inspect", "kind"), remedy=REMEDY))
    for entry in described[0]["IPAM"]["Config"]:
        if "Gateway" in entry and ip_address(entry["Gateway"]).version == 4:
            return str(entry["Gateway"])
    raise ClusterError("kind's network has no IPv4 gateway", "create it with IPv4, then run `make up` again")


def load_images(paths: Paths) -> dict[str, str]:
    """Build what changed with Docker and load it into the cluster; returns image name -> reference."""
    tags = catalog.tags(REPOSITORY, BASE_TAG)
    references = {image.name: catalog.reference(image.name, tags[image.name]) for image in catalog.IMAGES}
    for image in catalog.IMAGES:
        reference = references[image.name]
        if not succeeds(("docker", "image", "inspect", reference)):
            with step(f"build image {image.name}"):
                build(paths, image, references)
        if image.imported:
            with step(f"load {image.name}"):
                run(("kind", "load", "docker-image", "--name", NAME, reference), remedy=REMEDY)
    return references


def build(paths: Paths, image: catalog.Image, references: dict[str, str]) -> None:
    target = ("--target", image.target) if image.target else ()
    # without a reference of ours, a Dockerfile's own default stands
    chosen = [(argument, references[parent]) for argument, parent in image.parents.items() if parent in references]
    parents = [option for argument, parent in chosen for option in ("--build-arg", f"{argument}={parent}")]
    naming = ("-t", references[image.name], "-f", str(REPOSITORY / image.dockerfile))
    log = paths.logs / f"kind-image-{image.name}.log"
    run(("docker", "build", *naming, *target, *parents, str(REPOSITORY)), log=log, remedy="the log says why")


def run_in(reference: str, mounts: Mapping[Path, str], command: tuple[str, ...]) -> None:
    """Run a command in a container of this image, as root."""
    volumes = [option for here, there in mounts.items() for option in ("-v", f"{here}:{there}")]
    run(("docker", "run", "--rm", "--user", "0", *volumes, reference, *command), remedy=REMEDY)


def down(paths: Paths, purge: bool) -> None:
    """Delete the kind cluster and end the S3 server; `purge` drops the whole cache."""
    ours = own_paths(paths)
    with step("delete the kind cluster"):
        run(("kind", "delete", "cluster", "--name", NAME), env=kubeconfig(ours), remedy=REMEDY)
    processes.stop(ours, "versitygw")
    shutil.rmtree(paths.cache if purge else ours.cluster, ignore_errors=True)


def exports(paths: Paths) -> dict[str, str]:
    ours = own_paths(paths)
    if not ours.kubeconfig.is_file():
        raise ClusterError("the kind cluster is not up", "run `CLUSTER=kind make up`")
    store = objectstore.own_store(ours, gateway())
    return environment.exports(store, ours.kubeconfig, paths.bin, os.environ.get("PATH", ""))


def status(paths: Paths) -> bool:
    return succeeds(("kubectl", "get", "nodes"), env=kubeconfig(own_paths(paths)))
