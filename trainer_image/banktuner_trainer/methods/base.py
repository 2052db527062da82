"""What every method says of itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from banktuner_api.run_config import RunConfig

Kind = Literal["CAUSAL_LM", "SEQ_CLS"]
"""peft's name of the model's head."""


@dataclass(frozen=True)
class TuningMethod:
    """`quantization(run)`: how the base model is loaded, None for its plain weights.

    `wrap(model, run, kind)`: the model whose weights with requires_grad are trained, in float32.
    `frozen_base`: the base model's weights stay, and the artifact is an adapter.
    """

    quantization: Callable[[RunConfig], Any]
    wrap: Callable[[Any, RunConfig, Kind], Any]
    frozen_base: bool
