"""Stores the trainer's checkpoints while it trains: the newest first, never in its way."""

import logging
import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from banktuner_api import handshake
from banktuner_api.checkpoint import CHECKPOINT_FILE
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_api.handshake import CheckpointSaved, Failure, Staged
from banktuner_api.run_config import ObjectRef, RunConfig
from banktuner_stager.checkpoints import delete_but, upload
from banktuner_stager.download import Source
from banktuner_stager.errors import StagerError
from banktuner_stager.paths import Paths
from banktuner_stager.stage import open_checkpoints
from banktuner_stager.store import StoreError
from banktuner_stager.waiting import FIRST_DELAY, give_up, next_delay

LOG = logging.getLogger("banktuner.stager")

NOT_STORED = "CheckpointNotStored"


def saved(paths: Paths) -> CheckpointSaved | None:
    """The newest checkpoint that the trainer told of."""
    place = paths.control / handshake.CHECKPOINT
    return CheckpointSaved.model_validate_json(place.read_bytes()) if place.exists() else None


def stored(paths: Paths) -> CheckpointStatus | None:
    """The newest checkpoint that was stored by this pod."""
    place = paths.control / handshake.CHECKPOINT_STORED
    return CheckpointStatus.model_validate_json(place.read_bytes()) if place.exists() else None


def pending(paths: Paths) -> bool:
    """Whether a checkpoint is saved and not stored, and nothing is committed that makes it useless."""
    newest, done = saved(paths), stored(paths)
    if newest is None or (paths.control / handshake.COMMITTED).exists():
        return False
    return done is None or done.step < newest.step


class CheckpointKeeper:
    """Of one pod. `tell` is given each checkpoint that was stored."""

    def __init__(
        self,
        config: RunConfig,
        paths: Paths,
        environment: Mapping[str, str],
        tell: Callable[[CheckpointStatus], None],
    ) -> None:
        self._config, self._paths, self._environment, self._tell = config, paths, environment, tell
        self._place: ObjectRef | None = config.checkpoints
        self._delay = FIRST_DELAY
        self._not_before = 0.0
        self._history = self._known()

    def step(self, cancelled: Callable[[], bool]) -> None:
        """Store the newest checkpoint if it is not stored. A failure is noted for the trainer, and tried again later.

        `cancelled`: asked between two files; the artifact is more urgent.
        """
        newest = saved(self._paths) if self._place is not None and pending(self._paths) else None
        if newest is None or time.monotonic() < self._not_before:
            return
        try:
            self._store(newest, cancelled)
        except (StoreError, StagerError, OSError, ValueError) as error:
            self._failed(newest, error)
        else:
            self._delay = FIRST_DELAY
            (self._paths.control / handshake.CHECKPOINT_FAILURE).unlink(missing_ok=True)

    def forget(self) -> None:
        """Delete the job's checkpoints: its artifact is committed. What cannot be deleted is left."""
        if self._place is None:
            return
        try:
            delete_but(self._source(), ())
        except (StoreError, StagerError) as error:
            LOG.warning("checkpoints are left behind: %s", error)

    def _store(self, newest: CheckpointSaved, cancelled: Callable[[], bool]) -> None:
        folder = self._snapshot(self._paths.work / newest.folder)
        if folder is None:
            return  # the trainer has gone on and removed it: a newer one comes
        source = self._source()
        done = upload(folder, source, cancelled)
        shutil.rmtree(folder)
        if done is None:
            return
        self._history = [*(step for step in self._history if step != newest.step), newest.step]
        told = done.told()
        handshake.write_control(self._paths.control, handshake.CHECKPOINT_STORED, told)
        self._tell(told)
        LOG.info("checkpoint of step %d is stored at %s", told.step, told.uri)
        delete_but(source, self._history[-self._config.checkpoint.keep_last :])

    def _snapshot(self, folder: Path) -> Path | None:
        """Links to the files in a folder of our own: the trainer removes its old checkpoints when it likes (then None).

        Raises ValueError where it is not a folder of checkpoints, or holds anything but plain files.
        """
        if folder.resolve().parent != (self._paths.work / "checkpoints").resolve():
            raise ValueError("the checkpoint is not where checkpoints are")
        place = self._paths.work / "uploading"
        shutil.rmtree(place, ignore_errors=True)
        try:
            for path in folder.rglob("*"):
                mode = path.lstat().st_mode
                if stat.S_ISDIR(mode):
                    continue
                if not stat.S_ISREG(mode):
                    raise ValueError("the checkpoint holds something that is no file")
                beside = place / path.relative_to(folder)
                beside.parent.mkdir(parents=True, exist_ok=True)
                os.link(path, beside)
        except FileNotFoundError:
            return None
        return place if (place / CHECKPOINT_FILE).exists() else None

    def _failed(self, newest: CheckpointSaved, error: Exception) -> None:
        message = str(error)
        if isinstance(error, StoreError) and self._place is not None:
            message = give_up(error, self._place.uri, "spec.output.uri").message
        elif isinstance(error, OSError):
            message = error.strerror or type(error).__name__
        told = f"the checkpoint of step {newest.step} is not stored yet, and the training goes on: {message}"
        LOG.warning("%s: %s", NOT_STORED, told)
        failure = Failure(reason=NOT_STORED, message=told, field="spec.output.uri")
        handshake.write_control(self._paths.control, handshake.CHECKPOINT_FAILURE, failure)
        self._not_before, self._delay = time.monotonic() + self._delay, next_delay(self._delay)

    def _source(self) -> Source:
        return open_checkpoints(self._config, self._environment)

    def _known(self) -> list[int]:
        """Steps that this attempt went on from or stored, oldest first, should the kubelet start this again."""
        place = self._paths.control / handshake.STAGED
        staged = Staged.model_validate_json(place.read_bytes()) if place.exists() else None
        known = [staged.checkpoint if staged else None, stored(self._paths)]
        return [one.step for one in known if one is not None]
