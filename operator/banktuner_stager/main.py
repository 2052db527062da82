"""The command line: what each container runs, how it ends, and what it says when it fails."""

import argparse
import errno
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from pydantic import ValidationError

from banktuner_api import handshake, names
from banktuner_api.agent import AgentClient
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob import Phase
from banktuner_api.handshake import Failure
from banktuner_api.run_config import RunConfig
from banktuner_stager.errors import StagerError, disk_full, invalid_config
from banktuner_stager.paths import Paths
from banktuner_stager.publish import Publisher
from banktuner_stager.reporting import Progress
from banktuner_stager.stage import stage

LOG = logging.getLogger("banktuner.stager")
SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
SIDECARS = frozenset({"publish"})


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code (`banktuner_api.exit_codes`)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    options = _parser().parse_args(arguments)
    paths = Paths(options.config_dir, options.work_dir, options.token_file, options.termination_log)
    run(lambda: COMMANDS[options.command](paths), stays=options.command in SIDECARS)


def run(work: Callable[[], int], stays: bool) -> NoReturn:
    """Run `work` in a thread and wait for signals here, so that neither storage nor network delays the end.

    A sidecar (`stays`) ends on SIGTERM only: the kubelet sends it after the main container ended, and would start a
    sidecar again that ended by itself. Anything else that is told to stop exits INTERRUPTED.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(work()), name="work", daemon=True)
    thread.start()
    while stays or thread.is_alive():
        if signal.sigtimedwait(SIGNALS, 0.2) is not None:
            LOG.info("told to stop")
            codes = codes or [int(ExitCode.OK if stays else ExitCode.INTERRUPTED)]
            break
    logging.shutdown()
    # Not sys.exit: a transfer may be under way in a thread of the storage library, and it is not waited for.
    os._exit((codes or [int(ExitCode.INTERNAL)])[0])


def _parser() -> argparse.ArgumentParser:
    defaults = Paths()
    parser = argparse.ArgumentParser(prog="banktuner_stager", description=__doc__)
    parser.add_argument("command", choices=sorted(COMMANDS))
    parser.add_argument("--config-dir", type=Path, default=defaults.config)
    parser.add_argument("--work-dir", type=Path, default=defaults.work)
    parser.add_argument("--token-file", type=Path, default=defaults.token)
    parser.add_argument("--termination-log", type=Path, default=defaults.termination_log)
    return parser


def _stage(paths: Paths) -> int:
    return _guarded(paths, lambda: _run_stage(paths))


def _run_stage(paths: Paths) -> None:
    config = _run_config(paths)
    progress = Progress(_agent(config.agent_url, paths), config.job, Phase.STAGING)
    try:
        stage(config, paths, os.environ, progress)
    finally:
        progress.flush()


def _publish(paths: Paths) -> int:
    return _guarded(paths, lambda: _run_publish(paths), handshake.PUBLISH_FAILURE)


def _run_publish(paths: Paths) -> None:
    if any((paths.control / name).exists() for name in (handshake.COMMITTED, handshake.PUBLISH_FAILURE)):
        LOG.info("this attempt is settled already")
        return
    config = _run_config(paths)
    progress = Progress(_agent(config.agent_url, paths), config.job, Phase.PUBLISHING)
    Publisher(config, paths, os.environ, progress.tell).run()
    progress.flush()


def _run_config(paths: Paths) -> RunConfig:
    place = paths.config / names.RUN_CONFIG_KEY
    try:
        return RunConfig.model_validate_json(place.read_bytes())
    except (OSError, ValidationError) as error:
        raise invalid_config(f"{place} cannot be read: {type(error).__name__}", None) from error


def _agent(url: str, paths: Paths) -> AgentClient:
    return AgentClient(url, paths.token, paths.config / names.CA_KEY)


def _guarded(paths: Paths, work: Callable[[], None], control_file: str | None = None) -> int:
    """Run `work`; on an error leave the termination message (and the control file) and give the exit code."""
    try:
        work()
    except Exception as error:
        failure, code = describe(error)
        # The frames only: the text of an unexpected error may hold data.
        frames = "".join(traceback.format_tb(error.__traceback__)) if code is ExitCode.INTERNAL else ""
        LOG.error("%s: %s %s", failure.reason, failure.message, frames)
        if control_file is not None:
            handshake.write_control(paths.control, control_file, failure)
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


COMMANDS: dict[str, Callable[[Paths], int]] = {"publish": _publish, "stage": _stage}
