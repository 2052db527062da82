"""Training a language model on encoded rows; Instruction and Pretraining share it."""

import logging
from collections.abc import Sequence
from typing import Any

from transformers import Trainer, TrainingArguments

from banktuner_trainer import training
from banktuner_trainer.attention import understands
from banktuner_trainer.batches import Padded, end_to_end, pack
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.load import Split
from banktuner_trainer.errors import invalid_data
from banktuner_trainer.evaluate.perplexity import measure
from banktuner_trainer.loop import arguments, plan_steps
from banktuner_trainer.methods import METHODS
from banktuner_trainer.packed_trainer import PackedTrainer
from banktuner_trainer.tasks.base import Context, trained_in_float32
from banktuner_trainer.training import Summary

logger = logging.getLogger(__name__)


def fit(context: Context, model: Any, tokenizer: Any, rows: Split[Encoded]) -> Summary:
    """Train `model` in place. Raises TrainerError."""
    if not rows.train:
        raise invalid_data("no row has an answer within spec.training.maxLength tokens", "spec.training.maxLength")
    trainer = build(context, model, tokenizer, rows.train)
    test, padding = rows.test, tokenizer.pad_token_id
    held_out = (lambda: measure(trainer.model, test, padding).loss) if test else None
    return training.train(context, trainer, sum(len(row.input_ids) for row in rows.train), held_out)


def build(context: Context, model: Any, tokenizer: Any, rows: Sequence[Encoded]) -> Any:
    """A transformers Trainer for `model`: rows end to end, or padded where model or method cannot keep them apart."""
    wanted, method = context.run.training, METHODS[context.run.method]
    trained_in_float32(model)
    if method.packs and understands(model, max(len(row.input_ids) for row in rows)):
        packs = pack(rows, wanted.max_length) if wanted.packing else [[row] for row in rows]
        settings = _settings(context, len(packs), train_sampling_strategy="random")
        return PackedTrainer(model=model, args=settings, train_dataset=packs, data_collator=end_to_end)
    if wanted.packing:
        logger.warning("spec.training.packing has no effect: this model cannot keep the rows of one sequence apart")
    features = [{"input_ids": row.input_ids, "labels": row.labels} for row in rows]
    settings = _settings(context, len(rows), train_sampling_strategy="group_by_length")
    return Trainer(model=model, args=settings, train_dataset=features, data_collator=Padded(tokenizer.pad_token_id))


def _settings(context: Context, rows: int, **changes: str) -> Any:
    plan = plan_steps(context.run.training, rows)
    return TrainingArguments(**arguments(context.run.training, context.device, context.paths.scratch, plan) | changes)
