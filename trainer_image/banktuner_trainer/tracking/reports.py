"""Reports in the artifact's folder that need no network: TensorBoard events, and an offline run of W&B."""

import logging
import os
import subprocess
import sys

from banktuner_api.finetunejob_spec import WandbTracking
from banktuner_api.manifest import REPORT
from banktuner_api.run_config import RunConfig
from banktuner_trainer.settings import Paths
from banktuner_trainer.tracking.event_file import write_events
from banktuner_trainer.tracking.record import read_points
from banktuner_trainer.tracking.run import tracked
from banktuner_trainer.tracking.wandb_run import write_offline

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 90.0
WORD = "wandb"
"""What the process for W&B is told."""


def write_reports(run: RunConfig, paths: Paths) -> None:
    """Write those that the run asks for. What goes wrong is logged, and costs that report only."""
    points = read_points(paths.tracking)
    if run.tracking.tensorboard and points:
        try:
            write_events(points, paths.output / REPORT / "tensorboard")
        except Exception as error:
            logger.warning("tensorboard: no events were written: %s", type(error).__name__)
    if offline(run) is not None:
        _start_wandb(paths)


def write_wandb(run: RunConfig, paths: Paths) -> None:
    """The work of the process for W&B. Raises what wandb raises, OSError."""
    settings = offline(run)
    if settings is not None:
        write_offline(settings, tracked(run), read_points(paths.tracking), paths.output / REPORT / "wandb")


def offline(run: RunConfig) -> WandbTracking | None:
    """W&B's settings, where it leaves a run in the artifact."""
    wandb = run.tracking.wandb
    return wandb if wandb is not None and wandb.mode == "Offline" else None


def _start_wandb(paths: Paths) -> None:
    """In a process of its own: wandb starts a server, takes signals and threads, and can hang."""
    command = [sys.executable, "-m", "banktuner_trainer.tracking", WORD]
    moved = {"BANKTUNER_CONFIG_DIR": str(paths.config), "BANKTUNER_WORK_DIR": str(paths.work)}
    try:
        subprocess.run(command, env=os.environ | moved, timeout=LIMIT_SECONDS, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("wandb: no offline run was written: %s", type(error).__name__)
