"""When a loop saves, and how it goes on from what was saved."""

import logging
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from banktuner_api.checkpoint import run_fingerprint
from banktuner_api.handshake import CheckpointSaved
from banktuner_trainer import publishing
from banktuner_trainer.checkpoint import folders
from banktuner_trainer.checkpoint.state import WEIGHTS, Loop, draws, load_loop, load_weights, save, set_draws
from banktuner_trainer.errors import Interrupted
from banktuner_trainer.interruption import Interruption
from banktuner_trainer.reporting import Clock
from banktuner_trainer.tasks.base import Context

logger = logging.getLogger(__name__)

LEAST_SECONDS = 30.0
"""Between two checkpoints at the ends of epochs, where nobody asked for a number of steps."""


class AllTrainedError(Exception):
    """The checkpoint is that of a finished loop: the model is ready, and no step is left."""


class Checkpoints(TrainerCallback):
    """Saves at the steps that the run asks for, when the pod is told to stop, and at the end.

    It takes the place of the Trainer's own saving and loading, which transformers calls at the right moments: after the
    log line of a step, and before the optimiser is made.
    """

    def __init__(self, context: Context, trainer: Any, interruption: Interruption) -> None:
        """Find what to go on from. `trainer` is a transformers Trainer."""
        self._context, self._trainer, self._interruption = context, trainer, interruption
        self._run = run_fingerprint(context.run, context.staged)
        places = [*(folder for _, folder in folders.listed(context.paths.checkpoints)), context.paths.resume]
        self._resumed = folders.newest(places, self._run)
        self.loop = load_loop(self._resumed.folder) if self._resumed else Loop()
        self._earlier_seconds = self.loop.seconds
        self._clock, self._since_saved = Clock(), Clock()
        self._epoch_steps = 1
        self._entered = False
        trainer._save_checkpoint = self._save
        trainer._load_from_checkpoint = self._load

    @property
    def resume_from(self) -> str | None:
        """What `Trainer.train` takes."""
        if self._resumed is None:
            return None
        logger.info("goes on from step %d, saved %s", self._resumed.step, self._resumed.manifest.saved_time)
        return str(self._resumed.folder)

    def seconds(self) -> float:
        """Wall-clock time of the loop, in this attempt and the earlier ones."""
        return self._earlier_seconds + self._clock.seconds()

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Put the losses back. Raises AllTrainedError where no step is left."""
        self._clock, self._since_saved = Clock(), Clock()
        self._epoch_steps = max(1, -(-len(train_dataloader) // args.gradient_accumulation_steps))
        if self._resumed is None:
            return
        if self.loop.finished:
            raise AllTrainedError
        trainer = self._trainer
        trainer._tr_loss = torch.tensor(self.loop.running_loss, device=args.device)
        trainer._total_loss_scalar = self.loop.total_loss
        trainer._globalstep_last_logged = self.loop.logged_step
        trainer._initial_global_step = 0

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """The order of an epoch's rows is drawn next: from the random numbers that the stopped attempt drew it from."""
        if self._resumed is not None and not self._entered:
            if state.global_step % self._epoch_steps:
                set_draws(self.loop.epoch_draws)
            else:
                self._trainer._load_rng_state(str(self._resumed.folder))
        self._entered = True
        self.loop.epoch_draws = draws()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Ask for a checkpoint. None at the last step: the end saves what is needed then."""
        if state.global_step < state.max_steps and not control.should_training_stop:
            control.should_save = self._interruption.requested or self._due(state.global_step)

    def on_save(self, *_: Any, **__: Any) -> None:
        """Leave if the pod was told to stop. Raises Interrupted."""
        if self._interruption.requested:
            self.leave()

    def finish(self) -> None:
        """Save the trained weights, so that an attempt that is stopped while it evaluates need not train again."""
        self.loop.finished = True
        self._save()
        if self._interruption.requested:
            self.leave()

    def leave(self) -> None:
        """Wait until `publish` has stored the checkpoint, as long as the grace period allows. Raises Interrupted."""
        step, paths = self._trainer.state.global_step, self._context.paths
        if self._context.run.checkpoints is not None:
            stored = publishing.wait_until_stored(paths.control, step, self._interruption.seconds_left())
            logger.info("checkpoint of step %d is %s", step, "stored" if stored else "not stored in time")
        raise Interrupted

    def _due(self, step: int) -> bool:
        every = self._context.run.checkpoint.every_steps
        if every is not None:
            return step % every == 0
        return step % self._epoch_steps == 0 and self._since_saved.seconds() >= LEAST_SECONDS

    def _save(self, *_: Any) -> None:
        trainer, paths = self._trainer, self._context.paths
        self.loop.running_loss = float(trainer._tr_loss)
        self.loop.total_loss = trainer._total_loss_scalar
        self.loop.logged_step = trainer._globalstep_last_logged
        self.loop.seconds = self.seconds()
        step = trainer.state.global_step
        saved = folders.write(paths.checkpoints, step, self._run, lambda folder: save(trainer, self.loop, folder))
        folders.tidy(paths.checkpoints, self._context.run.checkpoint.keep_last)
        publishing.offer_checkpoint(
            paths.control, CheckpointSaved(step=step, folder=str(saved.folder.relative_to(paths.work)))
        )
        self._since_saved = Clock()
        logger.info("checkpoint of step %d saved", step)

    def _load(self, folder: str, model: Any = None) -> None:
        load_weights(model or self._trainer.model, Path(folder) / WEIGHTS)
