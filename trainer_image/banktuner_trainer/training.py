"""Runs every training loop: what happens beside it, and what is told of it when it is over."""

from dataclasses import dataclass
from typing import Any

from transformers import PrinterCallback

from banktuner_trainer.callbacks import LossWatchdog, Progress
from banktuner_trainer.tasks.base import Context


@dataclass(frozen=True)
class Summary:
    """A finished loop: mean loss over all optimiser steps, wall-clock seconds, optimiser steps."""

    train_loss: float
    seconds: float
    steps: int


def train(context: Context, trainer: Any, tokens_per_epoch: int) -> Summary:
    """Run the loop of a transformers `Trainer` that was built without callbacks.

    `tokens_per_epoch`: of the training rows, without padding. Raises TrainerError (Diverged).
    """
    trainer.remove_callback(PrinterCallback)
    for callback in (Progress(context.reporter, tokens_per_epoch), LossWatchdog()):
        trainer.add_callback(callback)
    metrics = trainer.train().metrics
    return Summary(metrics["train_loss"], metrics["train_runtime"], trainer.state.global_step)
