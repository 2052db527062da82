"""What happens beside the training loop: log lines, progress reports, and the watch on the loss."""

import logging
import math
from typing import Any

from transformers import TrainerCallback

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_status import Phase
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.reporting import Clock, Reporter

logger = logging.getLogger(__name__)

TRAINING_SHARE = 90
"""Percent of the progress that training is; evaluation, export and publication share the rest."""
_LOGGED = ("loss", "learning_rate", "grad_norm", "epoch", "mean_token_accuracy")


class Progress(TrainerCallback):
    """Logs each logging step and reports it with the time that is left."""

    def __init__(self, reporter: Reporter, tokens_per_epoch: int) -> None:
        """`tokens_per_epoch`: of the training rows, without padding."""
        self._reporter = reporter
        self._tokens_per_epoch = tokens_per_epoch
        self._clock = Clock()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self._clock = Clock()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """One line, one report. The loop's closing summary has no loss and is left out."""
        if not logs or "loss" not in logs or not state.max_steps:
            return
        seconds = self._clock.seconds()
        left = seconds / max(1, state.global_step) * (state.max_steps - state.global_step)
        numbers = {name: float(logs[name]) for name in _LOGGED if name in logs}
        numbers["tokens_per_second"] = self._tokens_per_epoch * float(state.epoch or 0) / max(seconds, 1e-9)
        shown = " ".join(f"{name}={value:.5g}" for name, value in numbers.items())
        logger.info("step %d/%d %s remaining=%ds", state.global_step, state.max_steps, shown, left)
        progress = TRAINING_SHARE * state.global_step // state.max_steps
        self._reporter.update(Phase.RUNNING, progress, left, numbers | {"step": float(state.global_step)})


class LossWatchdog(TrainerCallback):
    """Ends the run as Diverged when the loss is no longer a number.

    The gradient's norm is not watched: with float16 it overflows now and then, and the loop skips such a step.
    """

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Raises TrainerError; nothing is published then."""
        for name in ("loss", "train_loss"):
            if logs and name in logs and not math.isfinite(float(logs[name])):
                raise diverged(f"{name} is {logs[name]} at step {state.global_step}")


def diverged(what: str) -> TrainerError:
    """The run went wrong for good; another attempt would do the same."""
    message = f"{what}: lower spec.training.learningRate, or raise warmupSteps"
    return TrainerError(ExitCode.DIVERGED, "Diverged", message, "spec.training.learningRate")
