"""The commands: up, down, env, status, images, logs."""

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from localcluster import current, environment, kind, local, settings
from localcluster.settings import Paths
from localcluster.shell import ClusterError, say, tail


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


class Kind(Protocol):
    """What each kind of cluster can do."""

    def up(self, paths: Paths) -> None: ...
    def refresh(self, paths: Paths) -> None: ...
    def down(self, paths: Paths, purge: bool) -> None: ...
    def exports(self, paths: Paths) -> dict[str, str]: ...
    def status(self, paths: Paths) -> bool: ...


def chosen_kind() -> Kind:
    """The kind of cluster that CLUSTER names; ours on this machine by default."""
    kinds: dict[str, Kind] = {"local": local, "kind": kind, "current": current}
    name = os.environ.get("CLUSTER") or "local"
    if name not in kinds:
        raise ClusterError(f"CLUSTER={name} is unknown", f"one of: {', '.join(kinds)}")
    return kinds[name]


def show_log(paths: Paths, name: str | None, lines: int) -> None:
    """Print a log's end; without a name, the names there are."""
    names = sorted(log.stem for log in paths.logs.glob("*.log"))
    if name is None:
        sys.stdout.write("\n".join(names) + "\n")
    elif name in names:
        sys.stdout.write(tail(paths.logs / f"{name}.log", lines) + "\n")
    else:
        raise ClusterError(f"there is no log {name!r}", f"one of: {', '.join(names)}")


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
    cluster = chosen_kind()
    if options.command == "env":
        sys.stdout.write(environment.render(cluster.exports(paths)))
    elif options.command == "logs":
        show_log(paths, options.name, options.lines)
    elif options.command == "status":
        return 0 if cluster.status(paths) else 1
    else:
        change(cluster, paths, options)
    return 0


def change(cluster: Kind, paths: Paths, options: argparse.Namespace) -> None:
    """Run one of the commands that change the cluster, alone."""
    started = time.monotonic()
    with locked(paths):
        if options.command == "up":
            cluster.up(paths)
        elif options.command == "images":
            cluster.refresh(paths)
        else:
            cluster.down(paths, options.purge)
    say(f"{options.command}: {time.monotonic() - started:.0f} s")


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
    except OSError as error:
        say(f"error: {error}\nremedy: look at `cluster.py status`; `cluster.py down`, then `up`, starts afresh")
        return 1
    except KeyboardInterrupt:
        say("interrupted: the same command goes on from here")
        return 130
