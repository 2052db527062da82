"""Training a language model on encoded rows; Instruction and Pretraining share it."""

import logging
from collections.abc import Sequence
from typing import Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from banktuner_api.finetunejob_status import Phase
from banktuner_trainer import training
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.data.load import Split
from banktuner_trainer.errors import invalid_data
from banktuner_trainer.loop import arguments, plan_steps
from banktuner_trainer.tasks.base import Context, trained_in_float32
from banktuner_trainer.training import Summary

logger = logging.getLogger(__name__)


def fit(context: Context, model: Any, tokenizer: Any, rows: Split[Encoded]) -> Summary:
    """Train `model` in place. Raises TrainerError."""
    if not rows.train:
        raise invalid_data("no row has an answer within spec.training.maxLength tokens", "spec.training.maxLength")
    trainer = _trainer(context, model, tokenizer, rows.train)
    context.reporter.phase(Phase.RUNNING, 0, f"{len(rows.train)} rows")
    return training.train(context, trainer, sum(len(row.input_ids) for row in rows.train))


def _trainer(context: Context, model: Any, tokenizer: Any, train: Sequence[Encoded]) -> Any:
    training = context.run.training
    plan = plan_steps(training, len(train))
    packing = _packs(context)
    config = SFTConfig(
        **arguments(training, context.device, context.paths.scratch, plan),
        max_length=training.max_length,
        packing=packing,
        # The rows are tokenised, labelled and cut already; packing is all that is left to prepare.
        dataset_kwargs={"skip_prepare_dataset": not packing},
        pad_to_multiple_of=None,
        completion_only_loss=False,
        loss_type="nll",
        trust_remote_code=False,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=_dataset(train),
        processing_class=tokenizer,
    )
    trained_in_float32(trainer.model)
    return trainer


def _packs(context: Context) -> bool:
    """Packing lays a whole batch out as one row, whose attention costs a CPU more than the padding that it saves."""
    wanted = context.run.training.packing
    if wanted and not context.device.cuda:
        logger.info("packing does not pay on a CPU: rows of about one length are batched together instead")
    return wanted and context.device.cuda


def _dataset(rows: Sequence[Encoded]) -> Any:
    return Dataset.from_dict(
        {
            "input_ids": [row.input_ids for row in rows],
            "labels": [row.labels for row in rows],
            "length": [len(row.input_ids) for row in rows],
        }
    )
