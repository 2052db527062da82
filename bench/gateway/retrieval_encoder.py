"""all-MiniLM-L6-v2 as the gateway's encoder folder, exported once from its package by the trainer's libraries."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.places import ROOT, minilm_folder, trainer_python

FOLDER = ROOT / "build" / "encoder"
EXPORT = ROOT / "examples" / "knowledge" / "export_encoder.py"


def encoder_folder() -> Path:
    """onnx/model.onnx and tokenizer.json; made where they are not there. Raises RuntimeError."""
    if not (FOLDER / "onnx" / "model.onnx").exists():
        _export()
    return FOLDER


def _export() -> None:
    python = trainer_python()
    FOLDER.parent.mkdir(exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=FOLDER.parent))
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([python, EXPORT, minilm_folder(), beside], env=environment, check=True)
    beside.chmod(0o755)
    try:
        beside.rename(FOLDER)
    except OSError:
        # Another process was faster.
        shutil.rmtree(beside)
