"""Runs every training loop: what happens beside it, what it goes on from, and what is told of it when it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PrinterCallback

from banktuner_trainer.callbacks import LossWatchdog, Progress
from banktuner_trainer.checkpoint.keeping import AllTrainedError, Checkpoints
from banktuner_trainer.checkpoint.state import BEST
from banktuner_trainer.distributed import Sharded
from banktuner_trainer.early_stopping import EarlyStopping
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.interruption import Interruption
from banktuner_trainer.tasks.base import Context
from banktuner_trainer.tracking.callback import Tracking

HeldOutLoss = Callable[[], float]
"""Mean loss of the model in training on rows that it does not train on."""


@dataclass(frozen=True)
class Summary:
    """A finished loop, steps of earlier attempts included: mean loss, wall-clock seconds, optimiser steps.

    `losses`: (step, mean loss since the last entry) of every log line.
    """

    train_loss: float
    seconds: float
    steps: int
    losses: tuple[tuple[int, float], ...]


def train(context: Context, trainer: Any, tokens_per_epoch: int, held_out_loss: HeldOutLoss | None = None) -> Summary:
    """Run the loop of a transformers `Trainer` that was built without callbacks; an earlier attempt's is gone on with.

    `tokens_per_epoch`: of the training rows, without padding. `held_out_loss` is what early stopping goes by, where it
    is asked for. Raises TrainerError (Diverged, InvalidConfig), and Interrupted after a checkpoint where the pod is
    told to stop.
    """
    trainer.remove_callback(PrinterCallback)
    shared = Sharded(context.world, trainer) if context.world.size > 1 else None
    with shared.interruption if shared else Interruption() as interruption:
        stopping = _early_stopping(context, trainer, held_out_loss)
        checkpoints = Checkpoints(context, trainer, interruption, stopping)
        beside = [Progress(context.reporter, tokens_per_epoch), LossWatchdog(), Tracking(context.paths.work)]
        # What is decided at a step comes before what saves it.
        saving = shared.around(checkpoints) if shared else (checkpoints,)
        for callback in (*beside, *([stopping] if stopping else []), *saving):
            trainer.add_callback(callback)
        try:
            trainer.train(resume_from_checkpoint=checkpoints.resume_from)
            checkpoints.finish()
        except AllTrainedError:
            pass
        if shared is not None:
            shared.hand_over()
    return _summary(trainer, checkpoints)


def _early_stopping(context: Context, trainer: Any, held_out_loss: HeldOutLoss | None) -> EarlyStopping | None:
    settings = context.run.training.early_stopping
    if settings is None:
        return None
    if held_out_loss is None:
        message = "early stopping needs rows that are held out: set spec.dataset.testUri or validationPercent"
        raise invalid_config(message, "spec.training.earlyStopping")
    return EarlyStopping(settings, held_out_loss, trainer.log, context.paths.scratch / BEST)


def _summary(trainer: Any, checkpoints: Checkpoints) -> Summary:
    steps = trainer.state.global_step
    lines = ((line["step"], line["loss"]) for line in trainer.state.log_history if "loss" in line)
    return Summary(checkpoints.loop.total_loss / max(1, steps), checkpoints.loop.seconds, steps, tuple(lines))
