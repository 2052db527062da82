"""The trainer's half of the handshake with `publish`: ask for the commit, wait for the answer."""

import time
from pathlib import Path

from pydantic import ValidationError

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_api.handshake import (
    ARTIFACT,
    CHECKPOINT,
    CHECKPOINT_FAILURE,
    CHECKPOINT_STORED,
    COMMITTED,
    PUBLISH_FAILURE,
    STAGED,
    ArtifactRequest,
    CheckpointSaved,
    Failure,
    Result,
    Staged,
    write_control,
)
from banktuner_trainer.errors import TrainerError

POLL_SECONDS = 0.2
_CODES = {
    "InvalidConfig": ExitCode.INVALID_CONFIG,
    "EmptyArtifact": ExitCode.INVALID_MODEL,
    "DigestMismatch": ExitCode.INTEGRITY,
    "UnsafeArtifactFile": ExitCode.UNSAFE_FILE,
    "DiskFull": ExitCode.DISK_FULL,
    "PublicationConflict": ExitCode.INTERRUPTED,
}
"""Exit code by the reason that `publish` gives; other reasons are worth another attempt."""


def read_staged(control: Path) -> Staged:
    """What `stage` brought. Raises TrainerError when it did not run."""
    try:
        return Staged.model_validate_json((control / STAGED).read_bytes())
    except (OSError, ValidationError) as error:
        message = f"{STAGED} is missing or not readable: the stage container did not finish"
        raise TrainerError(ExitCode.INTERNAL, "NotStaged", message) from error


def committed(control: Path) -> Result | None:
    """The commit's result, where `publish` or `stage` has left one."""
    path = control / COMMITTED
    return Result.model_validate_json(path.read_bytes()) if path.exists() else None


def offer_checkpoint(control: Path, saved: CheckpointSaved) -> None:
    """Tell `publish` of a complete checkpoint; returns at once. Raises OSError."""
    write_control(control, CHECKPOINT, saved)


def wait_until_stored(control: Path, step: int, seconds: float) -> bool:
    """Whether `publish` has stored the checkpoint of this step within some seconds."""
    deadline, path = time.monotonic() + seconds, control / CHECKPOINT_STORED
    while True:
        if path.exists() and CheckpointStatus.model_validate_json(path.read_bytes()).step >= step:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)


def checkpoint_failure(control: Path) -> Failure | None:
    """Why the newest checkpoint could not be stored so far, None where nothing is wrong."""
    try:
        return Failure.model_validate_json((control / CHECKPOINT_FAILURE).read_bytes())
    except FileNotFoundError:
        return None


def publish(control: Path, request: ArtifactRequest) -> Result:
    """Ask for the commit and wait for it, however long the object store is away.

    Raises TrainerError with the reason that `publish` gave.
    """
    write_control(control, ARTIFACT, request)
    while True:
        result = committed(control)
        if result is not None:
            return result
        refused = control / PUBLISH_FAILURE
        if refused.exists():
            failure = Failure.model_validate_json(refused.read_bytes())
            code = _CODES.get(failure.reason, ExitCode.INTERNAL)
            raise TrainerError(code, failure.reason, failure.message, failure.field)
        time.sleep(POLL_SECONDS)
