"""The commands: up, down, env, status, images, logs."""

import argparse
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from localcluster import (
    configuration,
    environment,
    images,
    installation,
    kubectl,
    model,
    node,
    objectstore,
    settings,
    tools,
)
from localcluster.settings import Paths
from localcluster.shell import ClusterError, say, step, tail


@contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """One command at a time changes the cluster; a second one waits and says so. The lock dies with its process."""
    paths.cache.mkdir(parents=True, exist_ok=True)
    with (paths.cache / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another cluster command is at work: waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def up(paths: Paths) -> None:
    tools.require_root()
    tools.ensure_packages(paths)
    # the node can be Ready before helm is built; DNS and the operator come after their tools
    tools.ensure_tools(paths)
    node.up(paths)
    with step("namespaces and the object store's Secret"):
        access, secret = objectstore.keys(paths)
        kubectl.apply(paths, installation.prerequisites(objectstore.ENDPOINT, settings.REGION, access, secret))
    model.ensure_uploaded(paths, settings.BUCKET, environment.exports(paths, os.environ.get("PATH", "")))
    install(paths)


def install(paths: Paths) -> None:
    """Build and import what changed of the images, and have the operator run on them."""
    references = images.ensure_images(paths)
    values = configuration.write_if_changed(paths.config / "images.json", installation.image_values(references))
    with step("operator by Helm"):
        chosen = (settings.CLUSTER_SOURCES / "values.yaml", values)
        installation.install_operator(paths, {"KUBECONFIG": str(paths.kubeconfig)}, chosen)


def down(paths: Paths, purge: bool) -> None:
    tools.require_root()
    node.down(paths)
    if purge:
        with step(f"delete {paths.cache}"):
            shutil.rmtree(paths.cache)


def show_log(paths: Paths, name: str | None, lines: int) -> None:
    """Print a log's end; without a name, the names there are."""
    names = sorted(log.stem for log in paths.logs.glob("*.log"))
    if name is None:
        sys.stdout.write("\n".join(names) + "\n")
    elif name in names:
        sys.stdout.write(tail(paths.logs / f"{name}.log", lines) + "\n")
    else:
        raise ClusterError(f"there is no log {name!r}", f"one of: {', '.join(names)}")


def show_environment(paths: Paths) -> None:
    if not paths.kubeconfig.is_file():
        raise ClusterError("the cluster is not up", "run `make up`")
    sys.stdout.write(environment.render(environment.exports(paths, os.environ.get("PATH", ""))))


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="cluster.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring the cluster up from whatever is found, images and operator included")
    commands.add_parser("images", help="build and import what changed of the images, upgrade the operator to them")
    ending = commands.add_parser("down", help="remove everything it made on this machine but tools and images")
    ending.add_argument("--purge", action="store_true", help="remove tools and images too")
    commands.add_parser("env", help='print shell exports: eval "$(... env)"')
    commands.add_parser("status", help="show processes and node")
    logs = commands.add_parser("logs", help="print the end of a log")
    logs.add_argument("name", nargs="?")
    logs.add_argument("--lines", type=int, default=100)
    return parser.parse_args(arguments)


def dispatch(paths: Paths, options: argparse.Namespace) -> int:
    if options.command == "env":
        show_environment(paths)
    elif options.command == "logs":
        show_log(paths, options.name, options.lines)
    elif options.command == "status":
        return 0 if node.status(paths) else 1
    else:
        started = time.monotonic()
        with locked(paths):
            if options.command == "up":
                up(paths)
            elif options.command == "images":
                install(paths)
            else:
                down(paths, options.purge)
        say(f"{options.command}: {time.monotonic() - started:.0f} s")
    return 0


def main(arguments: list[str]) -> int:
    """Run one command; 0, or 1 after a message with a remedy."""
    options = parse(arguments)
    paths = Paths(settings.default_cache())
    try:
        if len(str(paths.cache)) > settings.LONGEST_CACHE_PATH:
            raise ClusterError(
                f"the path {paths.cache} is too long for sockets", "set BANKTUNER_CACHE to a shorter one"
            )
        return dispatch(paths, options)
    except ClusterError as error:
        if error.log:
            say(f"--- end of {error.log}\n{tail(error.log)}\n---")
        say(f"error: {error}\nremedy: {error.remedy}")
        return 1
    except KeyboardInterrupt:
        say("interrupted: the same command goes on from here")
        return 130
