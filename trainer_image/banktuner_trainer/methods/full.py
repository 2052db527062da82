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
    # Training goes without the cache of keys and values; whoever generates with the model wants it.
    settings: Any
    for settings in (model.config, getattr(model, "generation_config", None)):
        if hasattr(settings, "use_cache"):
            settings.use_cache = True
    model.save_pretrained(folder)
