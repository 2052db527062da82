"""Where the benchmarks find what they need: the repository, the trainer's Python, the sentence encoder."""

import importlib
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
SCRATCH = ROOT / "build" / "bench"
TRAINER = ROOT / ".venv-trainer" / "bin" / "python"


def trainer_python() -> Path:
    """The Python that has torch. Raises RuntimeError where it was not made yet."""
    if not TRAINER.exists():
        raise RuntimeError("the trainer's libraries are needed: make .venv-trainer/.ready")
    return TRAINER


def minilm_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, installed by the local cluster's tooling where it is not there yet."""
    sys.path.insert(0, str(ROOT / "tests" / "cluster"))
    model = importlib.import_module("localcluster.model")
    settings = importlib.import_module("localcluster.settings")
    folder: Path = model.ensure_folder(settings.Paths(settings.default_cache()))
    return folder
