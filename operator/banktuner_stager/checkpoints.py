"""Checkpoints in object storage: <checkpoints>/step-<n>/ with the files and, last, checkpoint.json with their digests.

A folder whose checkpoint.json is missing, or whose files are not what it says, is no checkpoint: whoever looks for one
takes the next older one.
"""

import hashlib
import logging
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from banktuner_api.checkpoint import CHECKPOINT_FILE, CheckpointManifest, checkpoint_folder, checkpoint_step
from banktuner_api.common import Digest
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_stager.artifact import read_chunks
from banktuner_stager.commit import get_or_none
from banktuner_stager.download import Source, fetch_folder
from banktuner_stager.errors import StagerError
from banktuner_stager.model import Meter, TellProgress
from banktuner_stager.store import Entry, Kind, Location, StoreError

LOG = logging.getLogger("banktuner.stager")


@dataclass(frozen=True)
class Stored:
    """A checkpoint in object storage whose checkpoint.json was read."""

    source: Source
    manifest: CheckpointManifest
    content: bytes

    def told(self) -> CheckpointStatus:
        """What the trainer and the agent API are told."""
        step, saved = self.manifest.step, self.manifest.saved_time
        return CheckpointStatus(step=step, uri=self.source.location.uri, saved_time=saved)


def folder_of(checkpoints: Source, step: int) -> Source:
    """One checkpoint's folder."""
    location = Location(checkpoints.location.bucket, checkpoints.key(checkpoint_folder(step)))
    return Source(checkpoints.store, location, checkpoints.field)


def listed(checkpoints: Source) -> dict[int, list[Entry]]:
    """The objects of every checkpoint, complete or not, by step. Raises StoreError."""
    found: dict[int, list[Entry]] = {}
    for entry in checkpoints.store.list(checkpoints.location.key):
        step = checkpoint_step(entry.path.partition("/")[0])
        if step is not None:
            found.setdefault(step, []).append(entry)
    return found


def fetch_newest(checkpoints: Source, run: Digest, destination: Path, tell: TellProgress) -> Stored | None:
    """Bring the complete checkpoint of this run with the most steps into `destination`, verified; None without one.

    Raises StoreError, StagerError (DISK_FULL).
    """
    for step in sorted(listed(checkpoints), reverse=True):
        stored = _read(folder_of(checkpoints, step))
        if stored is None or stored.manifest.run != run or stored.manifest.step != step:
            LOG.info("checkpoint of step %d is %s: skipped", step, "of another run" if stored else "not complete")
        elif _fetch(stored, destination, tell):
            return stored
    shutil.rmtree(destination, ignore_errors=True)
    return None


def _read(source: Source) -> Stored | None:
    content = get_or_none(source, CHECKPOINT_FILE)
    try:
        return Stored(source, CheckpointManifest.model_validate_json(content), content) if content else None
    except ValidationError:
        return None


def _fetch(stored: Stored, destination: Path, tell: TellProgress) -> bool:
    """Whether every file is there and is what was saved."""
    entries = [Entry(file.path, file.size_bytes) for file in stored.manifest.files]
    expected = {file.path: file for file in stored.manifest.files}
    try:
        fetch_folder(stored.source, entries, destination, expected, Meter("checkpoint", entries, tell))
    except StagerError as error:
        if error.exit_code is not ExitCode.INTEGRITY:
            raise
    except StoreError as error:
        if error.kind is not Kind.NOT_FOUND:
            raise
    else:
        (destination / CHECKPOINT_FILE).write_bytes(stored.content)
        return True
    LOG.warning("checkpoint of step %d is broken: the next older one is taken", stored.manifest.step)
    return False


def upload(folder: Path, checkpoints: Source, cancelled: Callable[[], bool]) -> Stored | None:
    """Store the checkpoint in `folder`, its checkpoint.json last; None where `cancelled()` became true on the way.

    Raises StoreError, OSError, and ValueError where a file is not what the checkpoint says.
    """
    content = (folder / CHECKPOINT_FILE).read_bytes()
    manifest = CheckpointManifest.model_validate_json(content)
    source = folder_of(checkpoints, manifest.step)
    stored = Stored(source, manifest, content)
    before = get_or_none(source, CHECKPOINT_FILE)
    if before == content:
        return stored
    if before is not None:
        # What lies there stops being a checkpoint before its files are replaced.
        source.store.delete([source.key(CHECKPOINT_FILE)])
    for file in manifest.files:
        if cancelled():
            return None
        _upload_file(folder / file.path, source.key(file.path), file.sha256, source)
    source.store.put(source.key(CHECKPOINT_FILE), content)
    return stored


def _upload_file(path: Path, key: str, sha256: str, source: Source) -> None:
    digest = hashlib.sha256()

    def chunks() -> Iterable[bytes]:
        for chunk in read_chunks(path):
            digest.update(chunk)
            yield chunk

    source.store.put_stream(key, chunks(), path.stat().st_size)
    if digest.hexdigest() != sha256:
        raise ValueError(f"{path.name} is not the file that was saved")


def delete_but(checkpoints: Source, kept: Iterable[int]) -> None:
    """Delete every checkpoint but those of these steps, each one's checkpoint.json first. Raises StoreError."""
    for step, entries in listed(checkpoints).items():
        if step not in set(kept):
            marker = f"{checkpoint_folder(step)}/{CHECKPOINT_FILE}"
            paths = sorted((entry.path for entry in entries), key=lambda path: path != marker)
            checkpoints.store.delete([checkpoints.key(path) for path in paths[:1]])
            checkpoints.store.delete([checkpoints.key(path) for path in paths[1:]])
