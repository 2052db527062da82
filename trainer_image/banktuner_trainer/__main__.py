"""Entry point of the trainer container: runs one attempt and leaves exit code and termination message."""

import logging
import os
import signal
import sys
import traceback
import warnings
from typing import NoReturn

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_methods import Method
from banktuner_api.handshake import Failure, Result, termination_message
from banktuner_trainer.environment import cpu_limit, hide, limit_caches, limit_threads, quick_imports
from banktuner_trainer.errors import Interrupted, classify
from banktuner_trainer.launcher import is_launcher, launch, processes
from banktuner_trainer.publishing import committed
from banktuner_trainer.settings import Paths, paths_from, read_run_config

logger = logging.getLogger("banktuner_trainer")

HIDDEN = ("datasets",)
"""Not used, and transformers would import them for seconds wherever they are installed."""

LATER = ("scipy",)
"""Used by metrics, at the end; transformers would import it for losses of models that find objects in pictures."""


def main() -> int:
    """Run the attempt of this pod. Returns the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout)
    logger.setLevel(logging.INFO)
    paths = paths_from()
    try:
        result = _result(paths)
        if isinstance(result, int):
            return result
    except (Exception, Interrupted) as error:
        ending = classify(error)
        if ending.code is ExitCode.INTERNAL:
            logger.error("unexpected error\n%s", _frames(error))
        logger.error("%s: %s", ending.reason, ending.message)
        _leave_message(paths, ending.failure())
        return ending.code
    if result is None:
        logger.info("another process of this attempt has committed")
        return ExitCode.OK
    _leave_message(paths, result)
    logger.info("committed: %s", result.artifact.uri)
    return ExitCode.OK


def _result(paths: Paths) -> Result | int | None:
    """What was committed; None where another process did it; an exit code where this one only started others."""
    done = committed(paths.control)
    if done is not None:
        logger.info("this attempt is committed already")
        return done
    run = read_run_config(paths)
    if is_launcher(run):
        return launch(run, paths)
    limit_threads(max(1, cpu_limit() // processes(run)))
    limit_caches()
    warnings.filterwarnings("ignore")
    hide(*HIDDEN, *([] if run.method is Method.QLORA else ["bitsandbytes"]))
    # torch takes seconds to import, and an attempt that is committed does not need it.
    with quick_imports(*LATER):
        from banktuner_trainer.attempt import run_attempt

    return run_attempt(run, paths)


def _frames(error: BaseException | None) -> str:
    """Where it happened, and what it came from, without the messages: a library's may quote a customer's row."""
    told = ""
    while error is not None:
        told = "".join(traceback.format_tb(error.__traceback__)) + f"{type(error).__name__}\n{told}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told


def _interrupt(*_: object) -> NoReturn:
    """A second signal must not break the leave-taking."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Interrupted


def _leave_message(paths: Paths, content: Result | Failure) -> None:
    try:
        paths.termination_log.write_text(termination_message(content), encoding="utf-8")
    except OSError as error:
        logger.error("cannot write %s: %s", paths.termination_log, error.strerror)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Nothing is left to save, and taking torch apart piece by piece can take seconds.
    os._exit(code)
