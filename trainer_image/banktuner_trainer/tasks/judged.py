"""Trains a generative model and judges it beside the base model and the promoted one; all generative tasks do so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from banktuner_api.common import Metric
from banktuner_trainer.callbacks import TRAINING_SHARE
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.load import Split
from banktuner_trainer.evaluate.compare import compared
from banktuner_trainer.evaluate.exam import Exam, Means, Rows, Scores
from banktuner_trainer.evaluate.intent import Confusion
from banktuner_trainer.methods import METHODS
from banktuner_trainer.tasks.base import Context, training_metrics
from banktuner_trainer.tasks.causal import fit

EXAM_SHARE = 5
"""Percent of the job's progress that the evaluation after the training is."""


@dataclass(frozen=True)
class Judged:
    """What was measured of a trained model, and what the report tells beside it."""

    metrics: list[Metric]
    confusion: Confusion | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def exam_of(context: Context, tokenizer: Any, rows: Rows) -> Exam:
    """The exam that the run asks for. Raises TrainerError where it cannot be held with these rows."""
    return Exam(Means(context.run, context.paths, context.device, context.reporter), tokenizer, rows)


def tune(context: Context, exam: Exam, model: Any, tokenizer: Any, rows: Split[Encoded]) -> Judged:
    """Train `model` in place. The model as it came is the baseline, unless it is a new one. Raises TrainerError."""
    method = METHODS[context.run.method]
    compare = context.run.model is not None and context.run.evaluation.compare_with != "None" and not exam.empty
    base: Scores | None = None
    if compare and method.without is None:
        base = exam.sit(model, "base model", 0, 0)
    summary = fit(context, model, tokenizer, rows)
    metrics = training_metrics(model, summary.train_loss, summary.seconds)
    if exam.empty:
        return Judged(metrics)
    half = EXAM_SHARE // 2
    tuned = exam.sit(model, "tuned model", TRAINING_SHARE, half)
    if compare and method.without is not None:
        with method.without(model):
            base = exam.sit(model, "base model", TRAINING_SHARE + half, EXAM_SHARE - half)
    values = compared(tuned.values, base.values if base else None, None)
    return Judged([*values, *metrics], tuned.confusion, {"evaluation": tuned.details})
