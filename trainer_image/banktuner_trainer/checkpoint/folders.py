"""Checkpoints on disk: complete ones only.

A folder is filled under a temporary name, every file reaches the disk, checkpoint.json with their digests comes last,
then the folder takes its name. A process killed anywhere in between leaves nothing that could be taken for complete.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from banktuner_api.checkpoint import CHECKPOINT_FILE, CheckpointManifest, checkpoint_folder, checkpoint_step
from banktuner_api.common import Digest
from banktuner_api.manifest import ManifestFile
from banktuner_trainer import VERSION

UNFINISHED = ".unfinished-"
FULL_BYTES = 64 * 1024
"""A disk with less room than this is full."""


@dataclass(frozen=True)
class Complete:
    """A checkpoint whose files are all there and are what was saved."""

    folder: Path
    manifest: CheckpointManifest

    @property
    def step(self) -> int:
        """Optimiser steps that it stands for."""
        return self.manifest.step


def write(parent: Path, step: int, run: Digest, fill: Callable[[Path], None]) -> Complete:
    """A new checkpoint below `parent`; `fill` writes its files into the folder that it is given.

    Raises OSError and what `fill` raises; then the folder is gone and older checkpoints are as they were.
    """
    parent.mkdir(parents=True, exist_ok=True)
    beside, place = parent / f"{UNFINISHED}{step}", parent / checkpoint_folder(step)
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir()
        fill(beside)
        manifest = _seal(beside, step, run)
    except BaseException as error:
        full = shutil.disk_usage(parent).free < FULL_BYTES
        shutil.rmtree(beside, ignore_errors=True)
        if full and isinstance(error, Exception):
            # torch tells of a full disk as of an unexpected position in a file.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from error
        raise
    shutil.rmtree(place, ignore_errors=True)
    beside.rename(place)
    _sync(parent)
    return Complete(place, manifest)


def _seal(folder: Path, step: int, run: Digest) -> CheckpointManifest:
    files = [_described(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
    saved = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    manifest = CheckpointManifest(step=step, run=run, trainer_version=VERSION, saved_time=saved, files=files)
    with (folder / CHECKPOINT_FILE).open("w", encoding="utf-8") as file:
        file.write(manifest.model_dump_json(by_alias=True))
        file.flush()
        os.fsync(file.fileno())
    _sync(folder)
    return manifest


def _described(folder: Path, path: Path) -> ManifestFile:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return ManifestFile(path=path.relative_to(folder).as_posix(), sha256=digest, size_bytes=path.stat().st_size)


def _sync(folder: Path) -> None:
    """Names in a folder reach the disk with the folder, not with the files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(folder: Path) -> Complete | None:
    """The checkpoint in a folder, every file verified; None where it is not complete."""
    try:
        manifest = CheckpointManifest.model_validate_json((folder / CHECKPOINT_FILE).read_bytes())
        whole = all(_described(folder, folder / file.path) == file for file in manifest.files)
    except (OSError, ValidationError):
        return None
    return Complete(folder, manifest) if whole else None


def newest(folders: Iterable[Path], run: Digest) -> Complete | None:
    """The complete checkpoint of this run and this version of the trainer with the most steps, None without one."""
    found = (read(folder) for folder in folders)
    usable = [one for one in found if one and one.manifest.run == run and one.manifest.trainer_version == VERSION]
    return max(usable, key=lambda one: one.step, default=None)


def listed(parent: Path) -> Iterator[tuple[int, Path]]:
    """(step, folder) of what has a checkpoint's name below `parent`, oldest first."""
    entries = parent.iterdir() if parent.is_dir() else ()
    steps = ((checkpoint_step(entry.name), entry) for entry in entries)
    yield from sorted((step, entry) for step, entry in steps if step is not None)


def tidy(parent: Path, keep_last: int) -> None:
    """Remove all but the newest `keep_last` checkpoints, and what a killed process left unfinished."""
    for unfinished in parent.glob(f"{UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    for _, folder in list(listed(parent))[:-keep_last]:
        shutil.rmtree(folder, ignore_errors=True)
