"""IA3: learned scales of keys, values and the feed-forward part's inner activations (arXiv 2205.05638)."""

from typing import Any

from peft import IA3Config

from banktuner_api.finetunejob_methods import Ia3
from banktuner_api.run_config import RunConfig
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.methods import peft_files
from banktuner_trainer.methods.base import Kind
from banktuner_trainer.methods.layouts import layout_of, linear_names, pattern

FIELD = "spec.ia3.targetModules"


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:
    """The model with one scale a channel. Raises TrainerError (InvalidConfig) where modules do not exist."""
    return peft_files.wrap(model, ia3_config(model, run.ia3 or Ia3(), kind), FIELD)


def ia3_config(model: Any, ia3: Ia3, kind: Kind) -> IA3Config:
    """peft's configuration: the modules asked for, or those of the paper in this architecture."""
    targets, feed_forward = list(ia3.target_modules), list(ia3.feedforward_modules)
    layout = layout_of(model)
    if targets or feed_forward:
        both = sorted({*targets, *feed_forward})
        usual = pattern(layout.feed_forward_output) if layout else []
        return IA3Config(task_type=kind, target_modules=both, feedforward_modules=feed_forward or usual)
    if layout is None:
        message = f"the usual modules of this architecture are not known: name some of {', '.join(linear_names(model))}"
        raise invalid_config(message, FIELD)
    return IA3Config(
        task_type=kind,
        target_modules=pattern(*layout.keys_and_values, layout.feed_forward_output),
        feedforward_modules=pattern(layout.feed_forward_output),
    )
