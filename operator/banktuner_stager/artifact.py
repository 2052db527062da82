"""Reads what the trainer left in <work>/output: the files, checked and hashed, as a manifest."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import ArtifactRequest, Staged
from banktuner_api.manifest import ALLOWED_SUFFIXES, Manifest, ManifestFile, tree_digest
from banktuner_api.run_config import RunConfig
from banktuner_stager import folder
from banktuner_stager.errors import StagerError

CHUNK_BYTES = 8 * 1024 * 1024


def unfit(message: str) -> StagerError:
    """The trainer left something that must not be published."""
    return StagerError(ExitCode.UNSAFE_FILE, "UnsafeArtifactFile", message)


def artifact_files(output: Path) -> list[ManifestFile]:
    """The files under `output`, hashed, sorted by path. Raises StagerError (UNSAFE_FILE, INVALID_MODEL), OSError."""
    files = [_file(output, path) for path in sorted(_walk(output))]
    if not files:
        raise StagerError(ExitCode.INVALID_MODEL, "EmptyArtifact", "the trainer left no file to publish")
    return files


def build_manifest(
    config: RunConfig, request: ArtifactRequest, staged: Staged, files: list[ManifestFile], created: str
) -> Manifest:
    """manifest.json of an attempt; `created` is RFC 3339."""
    data = [(Path(file.path).name, file.sha256) for file in (staged.train, staged.test) if file is not None]
    return Manifest(
        job=config.job,
        task=request.task,
        method=request.method,
        rank=request.rank,
        served_as=request.served_as,
        base_model_uri=config.model.uri if config.model else None,
        base_model_digest=staged.model_digest,
        model_digest=tree_digest((file.path, file.sha256) for file in files if folder.in_root(file.path)),
        dataset_digest=tree_digest(data),
        chat_template_digest=request.chat_template_digest,
        metrics=request.metrics,
        resources_used=request.resources_used,
        trainer_version=request.trainer_version,
        created_time=created,
        files=files,
    )


def read_chunks(path: Path) -> Iterator[bytes]:
    """A file in chunks of a few MB. Raises OSError."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def _walk(output: Path) -> Iterator[Path]:
    for parent, directories, names in os.walk(output):
        for name in [*directories, *names]:
            path = Path(parent, name)
            mode = path.lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise unfit(f"output/{path.relative_to(output)} is a link or a special file")
            if stat.S_ISREG(mode):
                yield path


def _file(output: Path, path: Path) -> ManifestFile:
    name = path.relative_to(output).as_posix()
    if path.suffix not in ALLOWED_SUFFIXES or name in folder.RESERVED:
        raise unfit(f"output/{name} is of a kind that is not published")
    digest = hashlib.sha256()
    for chunk in read_chunks(path):
        digest.update(chunk)
    try:
        return ManifestFile(path=name, sha256=digest.hexdigest(), size_bytes=path.stat().st_size)
    except ValidationError as error:
        raise unfit(f"output/{name} has a name that is not published") from error
