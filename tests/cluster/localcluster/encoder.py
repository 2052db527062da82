"""The model as an ONNX sentence encoder, for search in documents: exported once, in the trainer image."""

import shutil
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from localcluster import model
from localcluster.settings import REPOSITORY, Paths
from localcluster.shell import step

SCRIPT = REPOSITORY / "examples" / "knowledge" / "export_encoder.py"
RunInTrainer = Callable[[Mapping[Path, str], tuple[str, ...]], None]
"""Runs a command in a container of the trainer's image. Mounts: folder or file of this machine -> its path there."""


def ensure_exported(paths: Paths, run_in_trainer: RunInTrainer) -> Path:
    """A folder with onnx/model.onnx and the tokenizer's files."""
    tag = sha256(SCRIPT.read_bytes() + model.LOCK.read_bytes()).hexdigest()[:12]
    folder = paths.cache / "encoder" / tag
    done = folder / ".complete"
    if not done.exists():
        with step("export the sentence encoder to ONNX"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            mounts = {model.ensure_folder(paths): "/model", folder: "/encoder", SCRIPT: "/export_encoder.py"}
            run_in_trainer(mounts, ("python", "/export_encoder.py", "/model", "/encoder"))
            done.touch()
    return folder
