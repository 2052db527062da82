"""When a loop saves, and how it goes on from what was saved."""

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from banktuner_api.checkpoint import run_fingerprint
from banktuner_api.handshake import CheckpointSaved
from banktuner_trainer import publishing
from banktuner_trainer.checkpoint import folders
from banktuner_trainer.checkpoint.state import BEST, WEIGHTS, Loop, draws, load_loop, load_weights, save, set_draws
from banktuner_trainer.early_stopping import EarlyStopping
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

    def __init__(
        self, context: Context, trainer: Any, interruption: Interruption, stopping: EarlyStopping | None
    ) -> None:
        """Find what to go on from. `trainer` is a transformers Trainer."""
        self._context, self._trainer = context, trainer
        self._interruption, self._stopping = interruption, stopping
        self._run = run_fingerprint(context.run, context.staged)
        self._resumed = self._found()
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
        return str(self._resumed.folder) if self._resumed else None

    def on_train_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Put back what transformers forgets. Raises AllTrainedError where no step is left."""
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
        if self._stopping is not None:
            self._stopping.restore(self.loop.stopping)
            _copy(self._resumed.folder / BEST, self._context.paths.scratch / BEST)

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
        """Ask for a checkpoint. The last step of an epoch is done when the epoch is."""
        failure = publishing.checkpoint_failure(self._context.paths.control)
        self._context.reporter.trouble(*((failure.reason, failure.message) if failure else ("", "")))
        if state.global_step % self._epoch_steps:
            self._ask(state, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Ask for a checkpoint."""
        self._ask(state, control)

    def on_save(self, *_: Any, **__: Any) -> None:
        """Leave if the pod was told to stop. Raises Interrupted."""
        if self._interruption.requested:
            self._leave()

    def finish(self) -> None:
        """Save the trained weights, so that an attempt that is stopped while it evaluates need not train again."""
        self.loop.finished = True
        self._save()
        if self._interruption.requested:
            self._leave()

    def _found(self) -> folders.Complete | None:
        paths = self._context.paths
        places = [*(folder for _, folder in folders.listed(paths.checkpoints)), paths.resume]
        found = folders.newest(places, self._run)
        if found is not None:
            logger.info("goes on from the checkpoint of step %d, saved %s", found.step, found.manifest.saved_time)
        elif self._context.staged.checkpoint is not None:
            logger.info("starts anew: the staged checkpoint is not one of this version of the trainer")
        return found

    def _ask(self, state: Any, control: Any) -> None:
        """Not where no step is left: the end saves what is needed then."""
        if state.global_step < state.max_steps and not control.should_training_stop:
            control.should_save = self._interruption.requested or self._due(state.global_step)

    def _due(self, step: int) -> bool:
        every = self._context.run.checkpoint.every_steps
        if every is not None:
            return step % every == 0
        return step % self._epoch_steps == 0 and self._context.world.any(self._since_saved.seconds() >= LEAST_SECONDS)

    def _leave(self) -> None:
        """Wait until `publish` has stored the checkpoint, as long as the grace period allows. Raises Interrupted."""
        step = self._trainer.state.global_step
        if self._context.run.checkpoints is not None and self._context.world.first:
            left = self._interruption.seconds_left()
            stored = publishing.wait_until_stored(self._context.paths.control, step, left)
            logger.info("the checkpoint of step %d is %s", step, "stored" if stored else "not stored in time")
        raise Interrupted

    def _save(self, *_: Any) -> None:
        trainer, loop, paths = self._trainer, self.loop, self._context.paths
        loop.running_loss, loop.total_loss = float(trainer._tr_loss), trainer._total_loss_scalar
        loop.logged_step = trainer._globalstep_last_logged
        loop.seconds = self._earlier_seconds + self._clock.seconds()
        loop.stopping = self._stopping.state() if self._stopping is not None else {}
        saved = folders.write(paths.checkpoints, trainer.state.global_step, self._run, self._fill)
        folders.tidy(paths.checkpoints, self._context.run.checkpoint.keep_last)
        if self._context.world.first:  # the others have their share of the optimiser only, and nobody keeps theirs
            place = saved.folder.relative_to(paths.work)
            publishing.offer_checkpoint(paths.control, CheckpointSaved(step=saved.step, folder=str(place)))
        self._since_saved = Clock()
        logger.info("checkpoint of step %d saved", saved.step)

    def _fill(self, folder: Path) -> None:
        save(self._trainer, self.loop, folder)
        if self._stopping is not None and not self.loop.finished:
            _copy(self._context.paths.scratch / BEST, folder / BEST)

    def _load(self, folder: str, model: Any = None) -> None:
        load_weights(model or self._trainer.model, Path(folder) / WEIGHTS)


def _copy(source: Path, place: Path) -> None:
    """A copy of a file that may not be there; then there is none at `place` either."""
    place.unlink(missing_ok=True)
    if source.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
