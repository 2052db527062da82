"""Full: every weight is trained."""

from typing import Any

from banktuner_api.run_config import RunConfig
from banktuner_trainer.methods.base import Kind


def quantization(run: RunConfig) -> None:
    """The weights as they are."""


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:  # noqa: ARG001 - one signature for all methods
    """The model itself."""
    return model
