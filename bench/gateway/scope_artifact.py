"""The classifier that the gateway is measured with: the artifact of the Classification job of `bench.trainer`."""

import os
import subprocess
from pathlib import Path

from banktuner_api.handshake import COMMITTED
from bench.places import ROOT, SCRATCH, trainer_python

WORK = SCRATCH / "scope" / "work"
FOLDER = WORK / "output" / "onnx"
JOB = "scope_accuracy"


def is_there() -> bool:
    """Whether a whole one is there."""
    return (WORK / "control" / COMMITTED).exists() and (FOLDER / "classifier.onnx").exists()


def classifier_folder() -> Path:
    """Its onnx/, trained where it is not there (about half an hour on two cores). Raises RuntimeError."""
    if not is_there():
        _train()
    if not is_there():
        raise RuntimeError("the job that trains the classifier left none; what went wrong stands above")
    return FOLDER


def _train() -> None:
    """It ends with an error where the trainer misses a bar of its own, which is another table's business."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer_image'}:{ROOT}"}
    command = [str(trainer_python()), "-m", "bench.trainer", "--only", JOB]
    subprocess.run(command, cwd=ROOT, env=environment, check=False)
