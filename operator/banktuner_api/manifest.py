"""The artifact in object storage: which files it may have, its manifest, and digests."""

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from banktuner_api.common import ApiModel, Digest, Metrics, Timestamp
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.finetunejob_status import ResourcesUsed, ServedAs
from banktuner_api.run_config import JobIdentity

MANIFEST = "manifest.json"
REPORT = "report"
"""Folder of an artifact with its numbers and pictures. It tells of the run, so the model's digest leaves it out."""
COMMITTED = "COMMITTED"
ALLOWED_SUFFIXES = frozenset(
    {".safetensors", ".json", ".txt", ".model", ".gguf", ".onnx", ".png", ".tfevents", ".wandb"}
)
"""Kinds of file an artifact or a staged model may have. What else there is stays behind."""
UNSAFE_SUFFIXES = frozenset(
    {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".h5", ".msgpack", ".py", ".so", ".pyc"}
)
"""Kinds of file that can carry code: a model folder with one is refused before anything is loaded."""

FILE_PATH = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$"
"""Relative paths whose parts never start with a dot."""


class ManifestFile(ApiModel):
    """One file. `path` is relative to the artifact's folder, with forward slashes."""

    path: Annotated[str, Field(min_length=1, max_length=512, pattern=FILE_PATH)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=0)]


class Manifest(ApiModel):
    """manifest.json. `base_model_digest` is the `tree_digest` of the base model's folder, `model_digest` that of the
    artifact's root: its other forms (merged/, gguf/, onnx/, adapter/) and its report do not count."""

    schema_version: Literal[1] = 1
    job: JobIdentity
    task: Task
    method: Method
    rank: int | None = None
    served_as: ServedAs
    base_model_uri: str | None = None
    base_model_digest: Digest | None = None
    model_digest: Digest
    dataset_digest: Digest
    chat_template_digest: Digest | None = None
    metrics: Metrics = []
    resources_used: ResourcesUsed = ResourcesUsed()
    trainer_version: str
    created_time: Timestamp
    files: list[ManifestFile]


class CommitMarker(ApiModel):
    """Content of COMMITTED: the digest of the manifest.json beside it."""

    digest: Digest


def manifest_bytes(manifest: Manifest) -> bytes:
    """manifest.json as written: sorted keys, two spaces, a final newline."""
    return (json.dumps(manifest.to_json(), indent=2, sort_keys=True) + "\n").encode()


def sha256_digest(content: bytes) -> str:
    """`sha256:<hex>` of some bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def tree_digest(files: Iterable[tuple[str, str]]) -> str:
    """Digest of a folder from its (relative path, sha256 hex) pairs; manifest, marker and report do not count."""
    lines = sorted(f"{sha256}  {path}\n" for path, sha256 in files if not _told_of(path))
    return sha256_digest("".join(lines).encode())


def _told_of(path: str) -> bool:
    return path in (MANIFEST, COMMITTED) or path.startswith(f"{REPORT}/")
