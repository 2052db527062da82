"""Classification: an encoder learns which label a text has, and which texts have none."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer, TrainingArguments

from banktuner_api.common import Metric
from banktuner_api.finetunejob_status import ServedAs
from banktuner_api.run_config import TrainingConfig
from banktuner_trainer import training
from banktuner_trainer.classify import artifact, judging
from banktuner_trainer.classify.batching import Batcher
from banktuner_trainer.classify.final_marks import without_final_marks
from banktuner_trainer.classify.model import Classifier, pooled
from banktuner_trainer.classify.rows import Encoder, Rows, prepare
from banktuner_trainer.classify.schedule import epochs_for
from banktuner_trainer.data.forms import Labelled, OutOfScope
from banktuner_trainer.data.load import load_labelled, load_out_of_scope
from banktuner_trainer.evaluate.compare import compared
from banktuner_trainer.evaluate.intent import confusion
from banktuner_trainer.export.onnx import write_onnx
from banktuner_trainer.loop import arguments, plan_steps
from banktuner_trainer.memory import check as memory
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import context_length, load_encoder, load_tokenizer
from banktuner_trainer.progress import Step
from banktuner_trainer.tasks.base import Context, Outcome, trained_in_float32, training_metrics
from banktuner_trainer.tasks.promoted import load_promoted

logger = logging.getLogger(__name__)


def run(context: Context) -> Outcome:
    """Tune a classifier on the staged model. Raises TrainerError."""
    asked = context.run
    bank = load_labelled(asked, context.staged)
    strangers = load_out_of_scope(asked, context.staged, [row.text for row in (*bank.train, *bank.test)])
    promoted = _promoted(context, bank.test, strangers.test)
    context.reporter.begin(Step.TOKENISE)
    tokenizer = load_tokenizer(context.paths.model)
    if strangers.train:
        tokenizer = without_final_marks(tokenizer)
    encoder = load_encoder(context.paths.model, asked, context.device, len(tokenizer))
    length = context_length(encoder, asked)
    rows = prepare(bank, strangers, tokenizer, length, asked.training.seed)
    memory.check_rows(asked, context.paths.model, context.device, [row["length"] for row in rows.train.rows], [])
    batcher = Batcher(tokenizer.pad_token_id)
    model = untrained(context, encoder, rows, batcher)
    base = None
    if asked.evaluation.compare_with != "None":
        context.reporter.begin(Step.BASELINE, f"{len(rows.test.rows)} rows")
        base = _judged(model, rows, length, batcher).values
    measured = _train(context, model, rows, batcher)
    context.reporter.begin(Step.EVALUATE, f"{len(rows.test.rows)} rows")
    tuned = _judged(model, rows, length, batcher)
    quality = bank.quality + strangers.quality
    return Outcome(
        model.encoder,
        tokenizer,
        ServedAs.CLASSIFIER,
        [*compared(tuned.values, base, promoted), *measured, *quality.metrics()],
        confusion(*judging.truth_and_answers(tuned.said, rows.test, rows.labels)),
        files=partial(_write, context, tuned.trained, tokenizer),
    )


@dataclass(frozen=True)
class _Judged:
    """A classifier with its calibrated score, what it says of the test rows, and the numbers of that."""

    trained: artifact.Trained
    said: judging.Answers
    values: dict[str, float]


def _judged(model: Classifier, rows: Rows, length: int, batcher: Batcher) -> _Judged:
    judge, calibration = judging.fit_judge(model, rows, batcher)
    trained = artifact.Trained(model, judge, artifact.Description(rows.labels, length, calibration))
    said = judging.answers(trained, rows.test.rows, batcher)
    return _Judged(trained, said, judging.values(trained, said, rows.test, rows.labels))


def _promoted(context: Context, bank: Sequence[Labelled], strangers: Sequence[OutOfScope]) -> dict[str, float] | None:
    """The numbers of the classifier that serves now, where the run asks for them; labels new to it are its errors."""
    if context.run.evaluation.promoted is None:
        return None
    folder = context.paths.promoted
    context.reporter.begin(Step.PROMOTED, f"{len(bank) + len(strangers)} rows")
    tokenizer = load_tokenizer(folder)
    serving = artifact.load(load_promoted(context, len(tokenizer), load_encoder), folder)
    labels = sorted({row.label for row in bank})
    numbers = {label: number for number, label in enumerate(labels)}
    part = Encoder(tokenizer, numbers, serving.description.max_length).part(bank, strangers)
    said = judging.answers(serving, part.rows, Batcher(tokenizer.pad_token_id))
    return judging.values(serving, said, part, labels)


def _write(context: Context, trained: artifact.Trained, tokenizer: Any, folder: Path) -> None:
    """What the artifact has beside the encoder: the head with its score, and the graph for the gateway."""
    artifact.save(trained, folder)
    write_onnx(METHODS[context.run.method], context.paths.model, folder, tokenizer)


def untrained(context: Context, encoder: Any, rows: Rows, batcher: Batcher) -> Classifier:
    """The model before the first step: the method's changes have no effect yet, the head fits."""
    asked = context.run
    smoothing = asked.training.label_smoothing
    wrapped = METHODS[asked.method].wrap(encoder, asked, "FEATURE_EXTRACTION")
    model = Classifier(wrapped, rows.outputs, smoothing or 0.0)
    model.to(encoder.device)
    trained_in_float32(model)
    labels = torch.tensor([row["labels"] for row in rows.train.rows], device=model.device)
    model.head.fit(pooled(model, rows.train.rows, batcher), labels, model.smoothing)
    return model


def _train(context: Context, model: Classifier, rows: Rows, batcher: Batcher) -> list[Metric]:
    train = rows.train.rows
    logger.info("%d rows to train on, %d labels", len(train), len(rows.labels))
    trainer = build(context, model, train, batcher)
    held = rows.calibration.rows
    held_out_loss = partial(judging.loss, model, held, batcher) if held else None
    tokens = sum(row["length"] for row in train)
    summary = training.train(context, trainer, tokens, held_out_loss)
    return training_metrics(model, summary.train_loss, summary.seconds)


def build(context: Context, model: Classifier, train: Sequence[dict[str, Any]], batcher: Batcher) -> Any:
    """A transformers Trainer for `model` on rows with labels."""
    settings = _schedule(context.run.training, len(train))
    plan = plan_steps(settings, len(train))
    return Trainer(
        model=model,
        args=TrainingArguments(**arguments(settings, context.device, context.paths.scratch, plan)),
        data_collator=batcher,
        train_dataset=list(train),
    )


def _schedule(asked: TrainingConfig, rows: int) -> TrainingConfig:
    """What was asked for; where nobody said how long, as long as so few or so many rows need."""
    if asked.epochs or asked.max_steps:
        return asked
    epochs = epochs_for(rows)
    logger.info("%d epochs for %d rows", epochs, rows)
    return asked.model_copy(update={"epochs": epochs})
