"""`python -m banktuner_trainer.tracking`: the sidecar `track`; with `wandb`, the offline run of a run that is over.

The sidecar needs run.json, <work> to read, and the trackers' Secrets as prefixed environment variables. It always
exits with 0: numbers that do not arrive fail no job.
"""

import logging
import os
import signal
import sys
import threading

from banktuner_trainer.errors import TrainerError
from banktuner_trainer.settings import paths_from, read_run_config
from banktuner_trainer.tracking import reports, sidecar


def main(arguments: list[str]) -> None:
    """Run until SIGTERM, or until the reports are written."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", stream=sys.stdout)
    logging.getLogger("banktuner_trainer").setLevel(logging.INFO)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    paths = paths_from()
    try:
        run = read_run_config(paths)
    except TrainerError as error:
        logging.error("%s", error)
        return
    if arguments == [reports.WORD]:
        reports.write_wandb(run, paths)
    else:
        sidecar.follow(sidecar.trackers(run, paths.work, os.environ), stop)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Exception:
        logging.exception("unexpected error")
    logging.shutdown()
    # A tracker's library may have threads that hang on a dead connection.
    os._exit(0)
