"""What every method says of itself."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from banktuner_api.run_config import RunConfig

Kind = Literal["CAUSAL_LM", "SEQ_CLS", "FEATURE_EXTRACTION"]
"""peft's name of what the model gives: next tokens, classes by a head of its own, or features."""


@dataclass(frozen=True)
class TuningMethod:
    """One way to change a model. `load`, `merge` and `without` are None where a method has no such thing.

    `quantization(run)`: how the base model is loaded, None for its plain weights.
    `wrap(model, run, kind)`: the model whose weights with requires_grad are trained, in float32.
    `save(model, folder)`: write the adapter's files, or the whole model where every weight is trained.
    `load(base, folder)`: the base model with the adapter of that folder, frozen and in evaluation mode.
    `merge(model)`: the base model with the adapter in its weights; `model`, on a base of 16 or 32 bit, is used up.
    `without(model)`: inside this context the model answers as the untuned one does.
    `frozen_base`: the base model's weights stay, and what is saved is an adapter.
    `packs`: several rows may share one sequence. A learned prefix stands before a sequence, not before each row in it.
    """

    quantization: Callable[[RunConfig], Any]
    wrap: Callable[[Any, RunConfig, Kind], Any]
    save: Callable[[Any, Path], None]
    load: Callable[[Any, Path], Any] | None
    merge: Callable[[Any], Any] | None
    without: Callable[[Any], AbstractContextManager[None]] | None
    packs: bool = True

    @property
    def frozen_base(self) -> bool:
        """Whether what is saved is an adapter."""
        return self.load is not None


def plain_weights(run: RunConfig) -> None:
    """The quantisation of methods that load the base model as it is."""
