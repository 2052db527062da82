"""Runs every training loop: what happens beside it, what it goes on from, and what is told of it when it is over."""

from dataclasses import dataclass
from typing import Any

from transformers import PrinterCallback

from banktuner_trainer.callbacks import LossWatchdog, Progress
from banktuner_trainer.checkpoint.keeping import AllTrainedError, Checkpoints
from banktuner_trainer.interruption import Interruption
from banktuner_trainer.tasks.base import Context


@dataclass(frozen=True)
class Summary:
    """A finished loop, steps of earlier attempts included: mean loss, wall-clock seconds, optimiser steps.

    `losses`: (step, mean loss since the last entry) of every log line.
    """

    train_loss: float
    seconds: float
    steps: int
    losses: tuple[tuple[int, float], ...]


def train(context: Context, trainer: Any, tokens_per_epoch: int) -> Summary:
    """Run the loop of a transformers `Trainer` that was built without callbacks; an earlier attempt's is gone on with.

    `tokens_per_epoch`: of the training rows, without padding. Raises TrainerError (Diverged), and Interrupted after
    a checkpoint where the pod is told to stop.
    """
    trainer.remove_callback(PrinterCallback)
    with Interruption() as interruption:
        checkpoints = Checkpoints(context, trainer, interruption)
        for callback in (Progress(context.reporter, tokens_per_epoch), LossWatchdog(), checkpoints):
            trainer.add_callback(callback)
        try:
            trainer.train(resume_from_checkpoint=checkpoints.resume_from)
            checkpoints.finish()
        except AllTrainedError:
            pass
    return _summary(trainer, checkpoints)


def _summary(trainer: Any, checkpoints: Checkpoints) -> Summary:
    steps = trainer.state.global_step
    lines = ((line["step"], line["loss"]) for line in trainer.state.log_history if "loss" in line)
    return Summary(checkpoints.loop.total_loss / max(1, steps), checkpoints.loop.seconds, steps, tuple(lines))
