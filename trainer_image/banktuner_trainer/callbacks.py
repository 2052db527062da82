"""What happens beside the training loop: log lines, progress reports, and the watch on the loss."""

import logging
import math
from collections import deque
from typing import Any

from transformers import TrainerCallback

from banktuner_api.exit_codes import ExitCode
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.progress import Step
from banktuner_trainer.reporting import Clock, Reporter

logger = logging.getLogger(__name__)

_LOGGED = ("loss", "learning_rate", "grad_norm", "epoch", "mean_token_accuracy")


class Progress(TrainerCallback):
    """Logs each logging step and reports it with the time that is left; adds `tokens_per_second` to the logs."""

    def __init__(self, reporter: Reporter, tokens_per_epoch: int) -> None:
        """`tokens_per_epoch`: of the training rows, without padding."""
        self._reporter = reporter
        self._tokens_per_epoch = tokens_per_epoch
        self._clock = Clock()
        self._first_epoch = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Start the clock. A run may go on from the middle."""
        self._clock = Clock()
        self._first_epoch = float(state.epoch or 0)
        self._reporter.begin(Step.TRAIN, f"{state.max_steps} steps")

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """One line, one report. The loop's closing summary has no loss and is left out."""
        if not logs or "loss" not in logs or not state.max_steps:
            return
        epochs = float(state.epoch or 0) - self._first_epoch
        speed = self._tokens_per_epoch * epochs / max(self._clock.seconds(), 1e-9)
        for kept in (logs, state.log_history[-1]):
            kept["tokens_per_second"] = speed
        numbers = {name: float(logs[name]) for name in _LOGGED if name in logs} | {"tokens_per_second": speed}
        left = self._reporter.advance(state.global_step / state.max_steps, numbers | {"step": float(state.global_step)})
        shown = " ".join(f"{name}={value:.5g}" for name, value in numbers.items())
        logger.info("step %d/%d %s remaining=%ds", state.global_step, state.max_steps, shown, left or 0)


WINDOW = 5
"""Logged losses in a row that must all be too high."""
HISTORY = 50
"""Logged losses before them that tell what is usual: as many batches as are sorted by length together."""
FROM_USUAL = (1.5, 1.0)
"""Too high: more than 1.5 times the highest tenth of the history, plus 1 nat."""
FROM_START = (3.0, 2.0)
"""Too high beside the first logged loss, which is of one step alone: more than three times of it, plus 2 nats."""


class LossWatchdog(TrainerCallback):
    """Ends the run as Diverged when the loss is no longer a number, or far above what it was, WINDOW logs in a row.

    A run that went wrong stays high; a healthy one has single bad batches, a low loss may double by chance, and rows
    of one length may be harder than those of another: so the limit has a share and a constant, it goes by the high
    losses of the past, and all of the last WINDOW losses must be above it. The gradient's norm is not watched: with
    float16 it overflows now and then, and the loop skips such a step.
    """

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self._last: deque[float] = deque(maxlen=WINDOW)
        self._history: deque[float] = deque(maxlen=HISTORY)
        self._start = math.inf

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """A run that goes on from a checkpoint is measured by its own past."""
        for entry in state.log_history:
            if "loss" in entry:
                self._see(float(entry["loss"]))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Raises TrainerError; nothing is published then."""
        for name in ("loss", "train_loss"):
            if logs and name in logs and not math.isfinite(float(logs[name])):
                raise diverged(f"{name} is {logs[name]} at step {state.global_step}")
        if logs and "loss" in logs and self._see(float(logs["loss"])):
            message = f"the loss was {self._last[0]:.3g} to {self._last[-1]:.3g} at the last {WINDOW} log lines"
            raise diverged(f"{message} up to step {state.global_step}, more than {self._limit():.3g}")

    def _see(self, loss: float) -> bool:
        """Whether the losses seen so far are those of a run that diverged."""
        if self._start == math.inf:
            self._start = loss
        if len(self._last) == WINDOW:
            self._history.append(self._last[0])
        self._last.append(loss)
        return len(self._last) == WINDOW and min(self._last) > self._limit()

    def _limit(self) -> float:
        limits = [_far_above(self._start, FROM_START)]
        if len(self._history) >= WINDOW:
            usual = sorted(self._history)[len(self._history) * 9 // 10]
            limits.append(_far_above(usual, FROM_USUAL))
        return min(limits)


def _far_above(loss: float, bound: tuple[float, float]) -> float:
    factor, constant = bound
    return factor * loss + constant


def diverged(what: str) -> TrainerError:
    """The run went wrong for good; another attempt would do the same."""
    message = f"{what}: lower spec.training.learningRate, or raise warmupSteps"
    return TrainerError(ExitCode.DIVERGED, "Diverged", message, "spec.training.learningRate")
