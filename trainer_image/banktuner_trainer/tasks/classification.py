"""Classification: an encoder learns which label a text has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from datasets import Dataset
from transformers import Trainer, TrainingArguments

from banktuner_api.finetunejob_status import Phase, ServedAs
from banktuner_trainer import training
from banktuner_trainer.callbacks import TRAINING_SHARE
from banktuner_trainer.data.forms import Labelled
from banktuner_trainer.data.load import TEST_FIELD, TRAIN_FIELD, Split, load_labelled
from banktuner_trainer.errors import invalid_data
from banktuner_trainer.evaluate.classes import class_metrics, predict
from banktuner_trainer.loop import arguments, plan_steps
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import context_length, load_classifier, load_tokenizer
from banktuner_trainer.tasks.base import Context, Outcome, trained_in_float32, training_metrics


@dataclass(frozen=True)
class Batcher:
    """Rows to tensors, padded to the longest row of the batch."""

    pad_token_id: int

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """input_ids and attention_mask of shape (rows, longest), labels of shape (rows,) where rows have them."""
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), self.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            count = len(row["input_ids"])
            ids[index, :count] = torch.tensor(row["input_ids"])
            mask[index, :count] = 1
        batch = {"input_ids": ids, "attention_mask": mask}
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch


def run(context: Context) -> Outcome:
    """Tune a classifier on the staged encoder. Raises TrainerError."""
    rows = load_labelled(context.run, context.staged)
    labels = sorted({row.label for row in rows.train})
    _check_labels(rows, labels)
    tokenizer = load_tokenizer(context.paths.model)
    base = load_classifier(context.paths.model, context.run, context.device, labels, tokenizer)
    length = context_length(base, context.run.training.max_length)
    train, test = (_encode(tokenizer, part, labels, length) for part in (rows.train, rows.test))
    method = METHODS[context.run.method]
    model = method.wrap(base, context.run, "SEQ_CLS")
    trainer = _trainer(context, model, tokenizer, train)
    context.reporter.phase(Phase.RUNNING, 0, f"{len(train)} rows, {len(labels)} labels")
    summary = training.train(context, trainer, sum(row["length"] for row in train))
    metrics = training_metrics(model, summary.train_loss, summary.seconds)
    if test:
        context.reporter.phase(Phase.EVALUATING, TRAINING_SHARE, f"{len(test)} rows")
        predicted = predict(model, test, Batcher(tokenizer.pad_token_id))
        metrics = class_metrics([row["labels"] for row in test], predicted) + metrics
    return Outcome(model, tokenizer, ServedAs.CLASSIFIER, metrics)


def _check_labels(rows: Split[Labelled], labels: Sequence[str]) -> None:
    if len(labels) < 2:
        raise invalid_data("a classifier needs at least two labels", TRAIN_FIELD)
    known = set(labels)
    stranger = next((row.number for row in rows.test if row.label not in known), None)
    if stranger is not None:
        raise invalid_data(f"row {stranger} has a label that no training row has", TEST_FIELD)


def _encode(tokenizer: Any, rows: Sequence[Labelled], labels: Sequence[str], length: int) -> list[dict[str, Any]]:
    if not rows:
        return []
    index = {label: number for number, label in enumerate(labels)}
    encoded = tokenizer([row.text for row in rows], truncation=True, max_length=length)["input_ids"]
    return [
        {"input_ids": ids, "labels": index[row.label], "length": len(ids)}
        for ids, row in zip(encoded, rows, strict=True)
    ]


def _trainer(context: Context, model: Any, tokenizer: Any, train: Sequence[dict[str, Any]]) -> Any:
    training = context.run.training
    plan = plan_steps(training, len(train))
    trained_in_float32(model)
    return Trainer(
        model=model,
        args=TrainingArguments(**arguments(training, context.device, context.paths.scratch, plan)),
        data_collator=Batcher(tokenizer.pad_token_id),
        train_dataset=Dataset.from_list(list(train)),
        processing_class=tokenizer,
    )
