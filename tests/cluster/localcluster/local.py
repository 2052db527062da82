"""CLUSTER=local: our own node, on this machine."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from localcluster import configuration, encoder, environment, images, installation, node, objectstore, settings, tools
from localcluster.kubectl import local_client
from localcluster.settings import Paths
from localcluster.shell import ClusterError, step


def up(paths: Paths) -> None:
    """Packages, programs, images, node, operator: each step does what is missing of it."""
    tools.require_root()
    tools.ensure_packages(paths)
    node.claim(paths)
    with ThreadPoolExecutor(max_workers=1) as pool:
        # images wait for network and disk while the compiler takes the cores
        building = pool.submit(images.build_missing, paths)
        tools.ensure_tools(paths)
        node.up(paths)
        building.result()
    refresh(paths)


def refresh(paths: Paths) -> None:
    """Build and import what changed of the images, and have the operator run on them."""
    references = images.ensure_images(paths)
    text = installation.values(references, settings.NODE_ADDRESS)
    chosen = configuration.write_if_changed(paths.config / "values.json", text)
    files = (settings.CLUSTER_SOURCES / "values.yaml", chosen)
    exported = encoder.ensure_exported(paths, partial(images.run_in, paths, "trainer"))
    installation.install(paths, local_client(paths), objectstore.own_store(paths), files, exported)
    images.forget_outdated(paths)


def down(paths: Paths, purge: bool) -> None:
    """Remove everything from the machine; with `purge`, tools and images too."""
    tools.require_root()
    node.down(paths)
    if purge:
        with step(f"delete {paths.cache}"):
            shutil.rmtree(paths.cache)


def exports(paths: Paths) -> dict[str, str]:
    if not paths.kubeconfig.is_file():
        raise ClusterError("the cluster is not up", "run `make up`")
    store = objectstore.own_store(paths)
    return environment.exports(store, paths.kubeconfig, paths.bin, os.environ.get("PATH", ""))


def status(paths: Paths) -> bool:
    return node.status(paths)
