"""Ends a run when the loss on held-out rows no longer falls, and gives the best weights back."""

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from banktuner_api import finetunejob_spec
from banktuner_trainer.callbacks import diverged
from banktuner_trainer.checkpoint.state import load_weights, save_weights

logger = logging.getLogger(__name__)


@dataclass
class Standing:
    """What was measured so far. `worse`: evaluations in a row without a better loss; `judged`: the last one's step."""

    best_loss: float = math.inf
    best_step: int = 0
    worse: int = 0
    judged: int = 0


class EarlyStopping(TrainerCallback):
    """Measures every `every_steps` steps, or at the end of each epoch, and at the end of the run.

    The best weights lie in the file `best`, because a whole model would not fit into memory a second time. A
    checkpoint must hold `state()` and a copy of that file; `restore` and the file put back go on from there.
    """

    def __init__(
        self,
        settings: finetunejob_spec.EarlyStopping,
        measure: Callable[[], float],
        log: Callable[[dict[str, float]], None],
        best: Path,
    ) -> None:
        """`measure` gives the loss on held-out rows, a mean a token or a row; `log` is the Trainer's own."""
        self._settings = settings
        self._measure = measure
        self._log = log
        self._best = best
        self._standing = Standing()

    def state(self) -> dict[str, Any]:
        """For a checkpoint: JSON."""
        return asdict(self._standing)

    def restore(self, state: dict[str, Any]) -> None:
        """The reverse of `state`."""
        self._standing = Standing(**state)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Measure where it is due."""
        every = self._settings.every_steps
        if every and state.global_step % every == 0:
            self._judge(model, state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Measure where nothing else was asked for."""
        if not self._settings.every_steps:
            self._judge(model, state, control)

    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Measure the last weights too, then take the best ones."""
        self._judge(model, state, control)
        standing = self._standing
        if standing.best_step != state.global_step:
            load_weights(model, self._best)
            logger.info("early stopping: the weights of step %d are kept", standing.best_step)

    def _judge(self, model: Any, state: Any, control: Any) -> None:
        standing, step = self._standing, state.global_step
        if standing.judged == step:
            return
        training = model.training
        loss = self._measure()
        model.train(training)
        if not math.isfinite(loss):
            raise diverged(f"the loss on held-out rows is {loss} at step {step}")
        enough = loss < standing.best_loss - self._settings.min_improvement
        standing.judged, standing.worse = step, 0 if enough else standing.worse + 1
        if loss < standing.best_loss:
            standing.best_loss, standing.best_step = loss, step
            self._best.parent.mkdir(parents=True, exist_ok=True)
            save_weights(model, self._best)
        logger.info("step %d: eval_loss=%.5g, best %.5g at step %d", step, loss, standing.best_loss, standing.best_step)
        due = control.should_log
        self._log({"eval_loss": loss})
        # transformers takes this line for the step's own, which is still to come.
        control.should_log = due
        if standing.worse >= self._settings.patience:
            logger.info("early stopping: no better loss in %d evaluations", standing.worse)
            control.should_training_stop = True
