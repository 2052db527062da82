"""Adds up what a run needs at its peak, and what would need less."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from banktuner_api import memory_advice
from banktuner_api.finetunejob_evaluation import Suite
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import RunConfig
from banktuner_trainer.evaluate.generate import TOKENS_A_BATCH as ANSWERED_TOKENS
from banktuner_trainer.evaluate.perplexity import TOKENS_A_BATCH
from banktuner_trainer.memory.size import ModelSize

GIB = 1024**3
_ADAM_BYTES = 16
"""A trained weight in float32, its gradient and its two moments."""
_SCORE_BYTES = 12
"""A score of the vocabulary in float32, its softmax and its gradient."""
_WRITTEN = {Suite.GENERATION, Suite.INTENT, Suite.SCOPE, Suite.SAFETY}
"""Suites for which a model writes answers."""
_WORKING_LAYERS = 2
"""As much as so many layers keep is needed besides, for gradients on the way back."""
_ATTENTION_COPIES = 16
"""Bytes a token and number of the hidden size: attention computes in float32 copies on CPUs."""
OVERHEAD = 1.15
"""Of the allocator: what is freed is not given back at once."""


@dataclass(frozen=True)
class Batch:
    """The largest step: `rows` of at most `tokens` tokens each, and `evaluated` tokens at once between the steps.

    `answered`: tokens whose keys and values are held while answers are written.
    """

    rows: int
    tokens: int
    checkpointing: bool
    evaluated: int = 0
    answered: int = 0


@dataclass(frozen=True)
class Estimate:
    """Bytes. `passing`: activations and scores of a step, or what loading or an evaluation needs where that is more."""

    libraries: int
    weights: int
    training_state: int
    passing: int

    @property
    def total(self) -> int:
        """Bytes at the peak."""
        return int(self.libraries + (self.weights + self.training_state + self.passing) * OVERHEAD)

    def __str__(self) -> str:
        """In GiB, for log lines and messages."""
        parts = (
            ("libraries", self.libraries),
            ("weights", self.weights),
            ("gradients and optimiser", self.training_state),
            ("activations", self.passing),
        )
        return f"{self.total / GIB:.2f} GiB ({', '.join(f'{name} {size / GIB:.2f}' for name, size in parts)})"


def largest_batch(run: RunConfig, train: Sequence[int], evaluated: int, packs: bool) -> Batch:
    """The largest step. `train`: tokens of each row, of which there is one; `evaluated`: tokens of all test rows.

    Rows that are packed fill sequences of spec.training.maxLength.
    """
    training = run.training
    tokens, there = (training.max_length, sum(train) // training.max_length + 1) if packs else (max(train), len(train))
    rows = min(training.batch_size, there)
    answered = ANSWERED_TOKENS if _WRITTEN & set(run.evaluation.suites) and run.task != Task.CLASSIFICATION else 0
    return Batch(rows, tokens, training.gradient_checkpointing, min(evaluated, TOKENS_A_BATCH), answered)


def estimate(size: ModelSize, batch: Batch, libraries: int, cuda: bool, shards: int = 1, frozen: int = 1) -> Estimate:
    """What one process needs. The training state lies in `shards` parts, the base model's weights in `frozen`."""
    copies = size.trained * size.width if size.width < 4 else 0
    return Estimate(
        libraries=libraries,
        weights=size.frozen_bytes // frozen + size.copied_bytes + copies,
        training_state=size.trained * _ADAM_BYTES // shards,
        passing=max(
            size.packing_bytes,
            size.unpacked_bytes + _step(size, batch, cuda),
            batch.evaluated * size.vocabulary * (size.width + 8),
            batch.answered * size.cached_a_token,
        ),
    )


def _step(size: ModelSize, batch: Batch, cuda: bool) -> int:
    """Activations of all layers and scores are there together when the backward pass begins."""
    tokens = batch.rows * batch.tokens
    attention = (4 * size.width if cuda else _ATTENTION_COPIES) * size.hidden + 4 * size.pieces * batch.tokens
    layer = tokens * (size.kept_a_token + attention)
    scores = tokens * size.vocabulary * _SCORE_BYTES
    if batch.checkpointing:
        return size.layers * tokens * size.hidden * size.width + layer + max(scores, _WORKING_LAYERS * layer)
    return max(size.layers * layer + scores, (size.layers + _WORKING_LAYERS) * layer)


def changes_that_fit(run: RunConfig, batch: Batch, fits: Callable[[Batch], bool]) -> list[str]:
    """Smaller batches, checkpointing or shorter rows with which the run fits, as advice; none where none does."""
    training, found = run.training, []
    checkpointed = replace(batch, checkpointing=True)
    can_checkpoint = memory_advice.can_checkpoint(training, run.task, run.method)
    rows = _fewer(training.batch_size, lambda rows: fits(_with_rows(batch, rows)))
    if rows:
        found.append(memory_advice.smaller_batch(training, rows))
    if can_checkpoint and fits(checkpointed):
        found.append(memory_advice.checkpointing())
    if found:
        return found
    best = checkpointed if can_checkpoint else batch
    more = f" and {memory_advice.checkpointing()}" if can_checkpoint else ""
    rows = _fewer(training.batch_size, lambda rows: fits(_with_rows(best, rows)))
    if rows:
        return [memory_advice.smaller_batch(training, rows) + more]
    single = _with_rows(best, 1)
    tokens = _fewer(batch.tokens, lambda tokens: fits(replace(single, tokens=tokens)))
    if not tokens:
        return []
    return [f"{memory_advice.smaller_batch(training, 1)} and {memory_advice.shorter_rows(training, tokens)}{more}"]


def _with_rows(batch: Batch, rows: int) -> Batch:
    return replace(batch, rows=min(batch.rows, rows))


def _fewer(now: int, fits: Callable[[int], bool]) -> int | None:
    """The largest of now / 2, now / 4 ... with which it fits."""
    while now > 1:
        now //= 2
        if fits(now):
            return now
    return None
