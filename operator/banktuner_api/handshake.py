"""Files that the containers of a training pod hand each other, and what they leave as termination message.

Control files live in <work>/control/ and are written beside their place and renamed.
"""

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field

from banktuner_api.common import ApiModel, Digest, Metrics
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.finetunejob_status import ArtifactStatus, CheckpointStatus, ResourcesUsed, ServedAs

STAGED = "staged.json"
ARTIFACT = "artifact.json"
CHECKPOINT = "checkpoint.json"
CHECKPOINT_STORED = "checkpoint_stored.json"
CHECKPOINT_FAILURE = "checkpoint_failure.json"
"""A `Failure`: why `publish` could not store the newest checkpoint so far. It is gone when it could."""
COMMITTED = "committed.json"
PUBLISH_FAILURE = "publish_failure.json"

TERMINATION_LIMIT = 4096
"""Bytes of a termination message that Kubernetes keeps."""


class StagedFile(ApiModel):
    """A data file in the pod. `path` is absolute."""

    path: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: int


class CheckpointSaved(ApiModel):
    """A complete checkpoint in the pod: the trainer asks `publish` to store it. `folder` is below <work>."""

    step: Annotated[int, Field(ge=1)]
    folder: str


class Staged(ApiModel):
    """What `stage` brought. `model_digest` is the folder's `manifest.tree_digest`; None when training from scratch.

    `checkpoint`: the newest complete one of earlier attempts, in <work>/resume. The encoder is in <work>/encoder, the
    promoted artifact in <work>/promoted, where the run's configuration names them.
    """

    model_digest: Digest | None = None
    train: StagedFile
    test: StagedFile | None = None
    out_of_scope: StagedFile | None = None
    checkpoint: CheckpointStatus | None = None


class ArtifactRequest(ApiModel):
    """The trainer asks `publish` to commit what lies in <work>/output."""

    task: Task
    method: Method
    rank: int | None = None
    served_as: ServedAs
    chat_template_digest: Digest | None = None
    metrics: Metrics = []
    resources_used: ResourcesUsed = ResourcesUsed()
    trainer_version: str


class Result(ApiModel):
    """What a successful attempt left; the trainer's termination message. As many metrics as fit."""

    artifact: ArtifactStatus
    metrics: Metrics = []
    resources_used: ResourcesUsed = ResourcesUsed()


class Failure(ApiModel):
    """Why a container gave up. `field` is the path of the spec field to mend; messages never carry data or secrets."""

    reason: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)]
    message: str
    field: str | None = None


def write_control(control: Path, name: str, content: ApiModel) -> None:
    """Write one control file so that a reader sees all of it or nothing. Raises OSError."""
    write_atomic(control / name, json.dumps(content.to_json()))


def write_atomic(path: Path, text: str) -> None:
    """Write a file beside its place and rename it. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.tmp")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def termination_message(content: Result | Failure) -> str:
    """JSON of at most 4,096 bytes: metrics are dropped from the end, a message is cut."""
    if isinstance(content, Failure):
        content = content.model_copy(update={"message": content.message[:2000]})
    text = json.dumps(content.to_json())
    while isinstance(content, Result) and len(text.encode()) > TERMINATION_LIMIT and content.metrics:
        content = content.model_copy(update={"metrics": content.metrics[:-1]})
        text = json.dumps(content.to_json())
    return text
