"""The staged files as training and evaluation rows."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from banktuner_api.finetunejob_data import Format
from banktuner_api.handshake import Staged
from banktuner_api.run_config import RunConfig
from banktuner_trainer.data import forms
from banktuner_trainer.data.read import Row, read_rows
from banktuner_trainer.data.split import hold_out

logger = logging.getLogger(__name__)

T = TypeVar("T")
TRAIN_FIELD = "spec.dataset.uri"
TEST_FIELD = "spec.dataset.testUri"


@dataclass(frozen=True)
class Split(Generic[T]):
    """Rows to train on, and rows to evaluate with (maybe none)."""

    train: list[T]
    test: list[T]


def load_labelled(run: RunConfig, staged: Staged) -> Split[forms.Labelled]:
    """Texts with labels; rows held out keep the labels' shares. Raises TrainerError (InvalidData)."""
    columns = run.dataset.columns
    return _load(run, staged, lambda rows, field: forms.labelled(rows, columns, field), lambda row: row.label)


def load_conversations(run: RunConfig, staged: Staged) -> Split[forms.Conversation]:
    """Conversations. Raises TrainerError (InvalidData)."""
    form = run.dataset.format
    return _load(run, staged, lambda rows, field: forms.conversations(rows, form, field))


def load_documents(run: RunConfig, staged: Staged) -> Split[forms.Document]:
    """Plain texts. Raises TrainerError (InvalidData)."""
    if run.dataset.format is not Format.TEXT:
        raise ValueError("documents have format Text")
    columns = run.dataset.columns
    return _load(run, staged, lambda rows, field: forms.documents(rows, columns, field))


def _load(
    run: RunConfig,
    staged: Staged,
    parse: Callable[[Sequence[Row], str], list[T]],
    label: Callable[[T], str] | None = None,
) -> Split[T]:
    rows = parse(read_rows(Path(staged.train.path), TRAIN_FIELD), TRAIN_FIELD)
    if staged.test is not None:
        split = Split(rows, parse(read_rows(Path(staged.test.path), TEST_FIELD), TEST_FIELD))
    else:
        split = Split(*hold_out(rows, run.dataset.validation_percent, run.training.seed, label))
    logger.info("data: %d rows to train on, %d to evaluate with", len(split.train), len(split.test))
    return split
