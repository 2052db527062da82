"""The command line: runs one command, ends promptly when told to, and says why when it fails."""

import argparse
import errno
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from banktuner_api import handshake, names
from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import Failure
from banktuner_stager.commands import COMMANDS, Command
from banktuner_stager.errors import StagerError, disk_full
from banktuner_stager.paths import Paths
from banktuner_stager.signals import SIGNALS

LOG = logging.getLogger("banktuner.stager")
KILL_MARGIN_SECONDS = 5.0


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code (`banktuner_api.exit_codes`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    options = _parser().parse_args(arguments)
    paths = Paths(options.config_dir, options.work_dir, options.token_file, options.termination_log, options.engine_url)
    command = COMMANDS[options.command]
    run(lambda: guarded(command, paths), command, paths)


def run(work: Callable[[], int], command: Command, paths: Paths) -> NoReturn:
    """Run `work` in a thread and wait for signals (held) here, so that neither storage nor network delays the end.

    A sidecar told to stop has done its part, but for what is `unfinished`; anything else exits INTERRUPTED.
    """
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(work()), name="work", daemon=True)
    thread.start()
    while command.stays or thread.is_alive():
        if signal.sigtimedwait(SIGNALS, 0.2) is not None:
            LOG.info("told to stop")
            _finish(command, paths, thread)
            codes = codes or [int(ExitCode.OK if command.sidecar else ExitCode.INTERRUPTED)]
            break
    logging.shutdown()
    # Not sys.exit: a transfer may be under way in a thread of the storage library, and it is not waited for.
    os._exit((codes or [int(ExitCode.INTERNAL)])[0])


def _finish(command: Command, paths: Paths, thread: threading.Thread) -> None:
    """Let the work go on while something is unfinished, at most until the kubelet is about to kill."""
    deadline = time.monotonic() + names.GRACE_SECONDS - KILL_MARGIN_SECONDS
    while command.unfinished is not None and thread.is_alive() and time.monotonic() < deadline:
        if not command.unfinished(paths):
            return
        time.sleep(0.2)


def guarded(command: Command, paths: Paths) -> int:
    """Run a command; on an error leave the termination message (and its control file) and give the exit code."""
    try:
        command.work(paths)
    except Exception as error:
        failure, code = describe(error)
        # The frames only: the text of an unexpected error may hold data.
        frames = "".join(traceback.format_tb(error.__traceback__)) if code is ExitCode.INTERNAL else ""
        LOG.error("%s: %s %s", failure.reason, failure.message, frames)
        if command.failure_file is not None:
            handshake.write_control(paths.control, command.failure_file, failure)
        paths.termination_log.write_text(handshake.termination_message(failure), encoding="utf-8")
        return int(code)
    return int(ExitCode.OK)


def describe(error: Exception) -> tuple[Failure, ExitCode]:
    """What is told of an error. Of an unexpected one only the type's name: its text may hold data."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        error = disk_full("the pod's volume is full")
    if isinstance(error, StagerError):
        return error.failure(), error.exit_code
    return Failure(reason="Internal", message=f"unexpected {type(error).__name__}"), ExitCode.INTERNAL


def _parser() -> argparse.ArgumentParser:
    defaults = Paths()
    parser = argparse.ArgumentParser(prog="banktuner_stager", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--config-dir", type=Path, default=defaults.config)
    parser.add_argument("--work-dir", type=Path, default=defaults.work)
    parser.add_argument("--token-file", type=Path, default=defaults.token)
    parser.add_argument("--termination-log", type=Path, default=defaults.termination_log)
    parser.add_argument("--engine-url", default=defaults.engine_url)
    return parser
