"""`track`: sends the recorded points to trackers that are elsewhere, each from a thread of its own."""

import logging
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from banktuner_api.common import SecretRef
from banktuner_api.names import secret_env_prefix
from banktuner_api.run_config import RunConfig
from banktuner_trainer.tracking import mlflow_run, wandb_run
from banktuner_trainer.tracking.mlflow_run import MlflowRun
from banktuner_trainer.tracking.record import METRICS_FILE, Follower, Point
from banktuner_trainer.tracking.run import tracked
from banktuner_trainer.tracking.wandb_run import WandbRun

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
FIRST_DELAY = 1.0
LONGEST_DELAY = 60.0
"""Seconds between tries while a tracker does not take anything."""
FLUSH_SECONDS = 8.0
"""Between the signal to stop and the end, at most."""


class TrackerRun(Protocol):
    """A run of one tracker. Any method may raise anything."""

    def start(self, environment: Mapping[str, str]) -> None:
        """Find or make it."""

    def points(self, points: list[Point]) -> None:
        """Send points, again maybe."""

    def finish(self, succeeded: bool) -> None:
        """End it."""


class Tracker:
    """Follows the file for one tracker until it is told to stop; tries again after every error."""

    def __init__(self, name: str, run: TrackerRun, follower: Follower, environment: Mapping[str, str]) -> None:
        """`environment`: the tracker's credentials."""
        self.name = name
        self._run = run
        self._follower = follower
        self._environment = environment
        self._stopping = threading.Event()
        self._connected = False
        self._succeeded = False
        self._thread = threading.Thread(target=self._follow, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Send what is left, and end."""
        self._stopping.set()

    def ended(self, seconds: float) -> bool:
        """Whether everything is sent, after waiting for that so many seconds."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _follow(self) -> None:
        delay = FIRST_DELAY
        while True:
            last = self._stopping.is_set()
            try:
                self._deliver(last)
            except Exception as error:
                # Whatever breaks in a tracker's library is not the job's business.
                logger.warning("%s: %s; trying again", self.name, _told(error))
                if last:
                    time.sleep(FIRST_DELAY)
                else:
                    self._stopping.wait(delay)
                delay = min(delay * 2, LONGEST_DELAY)
                continue
            if last:
                return
            delay = FIRST_DELAY
            self._stopping.wait(POLL_SECONDS)

    def _deliver(self, last: bool) -> None:
        points = self._follower.unread()
        if not points and not self._connected:
            return  # Of the pods of a job only the first one records: the others must not end its run.
        if not self._connected:
            self._run.start(self._environment)
            self._connected = True
            logger.info("%s: connected", self.name)
        if points:
            self._run.points(points)
            self._follower.delivered()
            self._succeeded = self._succeeded or any(point.result for point in points)
        if last:
            self._run.finish(self._succeeded)


def trackers(run: RunConfig, work: Path, environment: Mapping[str, str]) -> list[Tracker]:
    """One for each tracker elsewhere that the job names; credentials carry the prefix of their Secret."""
    told, file, made = tracked(run), work / "tracking" / METRICS_FILE, []
    mlflow, wandb = run.tracking.mlflow, run.tracking.wandb
    if mlflow is not None:
        keys = credentials(mlflow.secret_ref, mlflow_run.KEYS, environment)
        made.append(Tracker("mlflow", MlflowRun(mlflow, told), Follower(file), keys))
    if wandb is not None and wandb.mode == "Online":
        keys = credentials(wandb.secret_ref, wandb_run.KEYS, environment)
        made.append(Tracker("wandb", WandbRun(wandb, told, Path("/tmp/wandb")), Follower(file), keys))
    return made


def credentials(secret: SecretRef | None, keys: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, str]:
    """The keys of a Secret, which the container's environment has with the Secret's prefix."""
    if secret is None:
        return {}
    prefix = secret_env_prefix(secret.name)
    return {key: environment[prefix + key] for key in keys if prefix + key in environment}


def follow(made: list[Tracker], stop: threading.Event) -> None:
    """Run the trackers until `stop`, then give them FLUSH_SECONDS together."""
    for tracker in made:
        tracker.start()
    stop.wait()
    deadline = time.monotonic() + FLUSH_SECONDS
    for tracker in made:
        tracker.stop()
    for tracker in made:
        if not tracker.ended(max(0.0, deadline - time.monotonic())):
            logger.warning("%s: did not take everything in time", tracker.name)


def _told(error: Exception) -> str:
    """Type and first line; trackers' messages carry addresses, not data."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"
