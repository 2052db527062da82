"""Full: every weight is trained."""

from pathlib import Path
from typing import Any

from banktuner_api.run_config import RunConfig
from banktuner_trainer.methods.base import Kind


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:  # noqa: ARG001 - one signature for all methods
    """The model itself."""
    return model


def save(model: Any, folder: Path) -> None:
    """config.json and safetensors of the whole model. Raises OSError."""
    model.save_pretrained(folder)
