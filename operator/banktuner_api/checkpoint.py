"""A checkpoint's own file: which files it has, with their digests, and which run it belongs to."""

import json
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import ApiModel, Digest, Timestamp
from banktuner_api.handshake import Staged
from banktuner_api.manifest import ManifestFile, sha256_digest
from banktuner_api.run_config import RunConfig

CHECKPOINT_FILE = "checkpoint.json"
"""Written last: a folder without it is no checkpoint."""


class CheckpointManifest(ApiModel):
    """checkpoint.json. `run` is the `run_fingerprint` of the run; `trainer_version` wrote the files."""

    schema_version: Literal[1] = 1
    step: Annotated[int, Field(ge=1)]
    run: Digest
    trainer_version: str
    saved_time: Timestamp
    files: Annotated[list[ManifestFile], Field(min_length=1)]


def checkpoint_folder(step: int) -> str:
    """Name of the folder of one checkpoint."""
    return f"step-{step}"


def checkpoint_step(folder: str) -> int | None:
    """The step of a checkpoint's folder, None for any other name."""
    digits = folder.removeprefix("step-")
    return int(digits) if folder.startswith("step-") and digits.isascii() and digits.isdigit() else None


def run_fingerprint(config: RunConfig, staged: Staged) -> Digest:
    """What must be the same for a run to go on from a checkpoint: what is learned, how, from which data and model.

    Attempt, places, credentials, limits and what happens after training do not count: they change no step.
    """
    learned = config.model_dump(
        mode="json",
        include={
            *("task", "method", "architecture", "lora", "quantization", "ia3", "prefix_tuning", "adapter"),
            *("training", "nodes"),
        },
    )
    data = config.dataset.model_dump(
        mode="json", include={"validation_percent", "refusal", "format", "columns", "preset"}
    )
    files = [file.sha256 if file else None for file in (staged.train, staged.test, staged.out_of_scope)]
    parts = [learned, data, files, staged.model_digest, config.limits.gpus]
    return sha256_digest(json.dumps(parts, sort_keys=True).encode())
