"""Weights & Biases: a run online, or an offline run that `wandb sync` uploads later."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from banktuner_api.finetunejob_spec import WandbTracking
from banktuner_trainer.tracking.record import Point
from banktuner_trainer.tracking.run import TrackedRun

KEYS = ("WANDB_API_KEY", "WANDB_BASE_URL")
INIT_SECONDS = 20.0


class WandbRun:
    """One run, begun or gone on with by `start`. Methods raise what wandb raises."""

    def __init__(self, settings: WandbTracking, run: TrackedRun, folder: Path) -> None:
        """`folder` takes wandb's own files."""
        self._settings = settings
        self._run = run
        self._folder = folder
        self._live: Any = None

    def start(self, environment: Mapping[str, str]) -> None:
        """`environment`: values of KEYS, as far as there are any."""
        os.environ.update({"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"} | dict(environment))
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            console="off",
            disable_code=True,
            disable_git=True,
            init_timeout=INIT_SECONDS,
            silent=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        )
        offline = self._settings.mode == "Offline"
        self._live = wandb.init(
            project=self._settings.project,
            name=self._run.name,
            id=self._run.identity,
            config=self._run.parameters,
            dir=str(self._folder),
            mode="offline" if offline else "online",
            resume=None if offline else "allow",
            settings=quiet,
        )

    def points(self, points: Sequence[Point]) -> None:
        """Log them; those at steps that the run has already are ignored by wandb."""
        for point in points:
            if point.result:
                self._live.summary.update(point.values)
            else:
                self._live.log(point.values | {"_timestamp": point.time}, step=point.step)

    def finish(self, succeeded: bool) -> None:
        """Upload what is left and end the run."""
        self._live.finish(exit_code=0 if succeeded else 1)


def write_offline(settings: WandbTracking, run: TrackedRun, points: Sequence[Point], folder: Path) -> None:
    """An offline run in `folder`/offline-run-*/run-*.wandb. Raises what wandb raises, OSError."""
    with TemporaryDirectory() as scratch:
        live = WandbRun(settings, run, Path(scratch))
        live.start({})
        live.points(points)
        live.finish(succeeded=True)
        for file in Path(scratch).glob("wandb/offline-run-*/*.wandb"):
            (folder / file.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / file.parent.name / file.name)
