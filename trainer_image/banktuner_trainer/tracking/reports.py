"""Reports in the artifact's folder that need no network: TensorBoard events, and an offline run of W&B."""

import logging
import subprocess
import sys
from pathlib import Path

from banktuner_api.finetunejob_spec import WandbTracking
from banktuner_api.manifest import REPORT
from banktuner_api.run_config import RunConfig
from banktuner_trainer.tracking.event_file import write_events
from banktuner_trainer.tracking.record import read_points
from banktuner_trainer.tracking.run import tracked
from banktuner_trainer.tracking.wandb_run import write_offline

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 90.0
WORD = "report"


def write_reports(run: RunConfig) -> None:
    """Write them from a process of its own, so that nothing of a tracker's library can break or delay the run.

    What goes wrong is logged. The process finds its paths as this one does.
    """
    if not run.tracking.tensorboard and not _offline(run):
        return
    command = [sys.executable, "-m", "banktuner_trainer.tracking", WORD]
    try:
        subprocess.run(command, timeout=LIMIT_SECONDS, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("tracking: no report was written: %s", type(error).__name__)


def write(run: RunConfig, work: Path) -> None:
    """What the process does: each report by itself, the others when one breaks."""
    points, folder = read_points(work / "tracking"), work / "output" / REPORT
    try:
        if run.tracking.tensorboard and points:
            write_events(points, folder / "tensorboard")
    except Exception as error:
        logger.warning("tensorboard: %s", type(error).__name__)
    wandb = _offline(run)
    try:
        if wandb is not None:
            write_offline(wandb, tracked(run), points, folder / "wandb")
    except Exception as error:
        logger.warning("wandb: %s", type(error).__name__)


def _offline(run: RunConfig) -> WandbTracking | None:
    wandb = run.tracking.wandb
    return wandb if wandb is not None and wandb.mode == "Offline" else None
