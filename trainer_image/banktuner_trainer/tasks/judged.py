"""Trains a generative model and judges it beside the base model and the promoted one; all generative tasks do so."""

import gc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from banktuner_api.common import Metric
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.load import Split
from banktuner_trainer.evaluate.compare import compared
from banktuner_trainer.evaluate.exam import Exam, Means, Rows, Scores
from banktuner_trainer.evaluate.intent import Confusion
from banktuner_trainer.evaluate.questions import NO_LIMIT
from banktuner_trainer.memory import check as memory
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import (
    context_length,
    ensure_chat_template,
    load_causal,
    load_tokenizer,
    readable_tokens,
)
from banktuner_trainer.progress import Step
from banktuner_trainer.tasks.base import Context, training_metrics
from banktuner_trainer.tasks.causal import fit
from banktuner_trainer.tasks.promoted import load_promoted


@dataclass(frozen=True)
class Judged:
    """What was measured of a trained model, and what the report tells beside it."""

    metrics: list[Metric]
    confusion: Confusion | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def exam_of(context: Context, tokenizer: Any, rows: Rows, model: Any) -> Exam:
    """The exam that the run asks for, of `model`. Raises TrainerError where it cannot be held with these rows."""
    means = Means(context.run, context.paths, context.device, context.reporter)
    return Exam(means, tokenizer, rows, readable_tokens(model, context.run) or NO_LIMIT)


def promoted_scores(context: Context, asked: Callable[[Any, int], Rows]) -> Scores | None:
    """The numbers of the model that serves now, where the run compares with it.

    `asked` gives the rows in the tokens of a tokenizer, at most so many each: a promoted model is asked in its own.
    Raises TrainerError, as load_promoted does.
    """
    run, folder = context.run, context.paths.promoted
    if run.evaluation.promoted is None:
        return None
    tokenizer = load_tokenizer(folder)
    ensure_chat_template(tokenizer)
    model = load_promoted(context, len(tokenizer), load_causal)
    exam = exam_of(context, tokenizer, asked(tokenizer, context_length(model, run)), model)
    return None if exam.empty else exam.sit(model, Step.PROMOTED)


def tune(
    context: Context, exam: Exam, model: Any, tokenizer: Any, rows: Split[Encoded], promoted: Scores | None
) -> Judged:
    """Train `model` in place. The model as it came is the baseline, unless it is a new one. Raises TrainerError."""
    lengths = [[len(row.input_ids) for row in part] for part in (rows.train, rows.test)]
    memory.check_rows(context.run, context.paths.model, context.device, *lengths)
    method = METHODS[context.run.method]
    compare = context.run.model is not None and context.run.evaluation.compare_with != "None" and not exam.empty
    base: Scores | None = None
    if compare and method.without is None:
        base = exam.sit(model, Step.BASELINE)
    summary = fit(context, model, tokenizer, rows)
    # The loop's objects hold each other and with them the optimiser's state: room that the answers' cache may need.
    gc.collect()
    metrics = [*training_metrics(model, summary.train_loss, summary.seconds), *rows.quality.metrics()]
    details = {"data": {"trainRows": len(rows.train), "testRows": len(rows.test)}}
    if exam.empty:
        return Judged(metrics, details=details)
    tuned = exam.sit(model, Step.EVALUATE)
    if compare and method.without is not None:
        with method.without(model):
            base = exam.sit(model, Step.COMPARE)
    values = compared(tuned.values, base.values if base else None, promoted.values if promoted else None)
    return Judged([*values, *metrics], tuned.confusion, details | {"evaluation": tuned.details})
