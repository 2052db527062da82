"""The staged files as training and evaluation rows."""

import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from banktuner_api.finetunejob_data import Format
from banktuner_api.handshake import Staged
from banktuner_api.run_config import RunConfig
from banktuner_trainer.data import forms
from banktuner_trainer.data.quality import Quality, inspect, tell_contradictions
from banktuner_trainer.data.read import Row, read_rows
from banktuner_trainer.data.split import hold_out
from banktuner_trainer.errors import invalid_data

logger = logging.getLogger(__name__)

T = TypeVar("T")
TRAIN_FIELD = "spec.dataset.uri"
TEST_FIELD = "spec.dataset.testUri"
OUT_OF_SCOPE_FIELD = "spec.dataset.outOfScopeUri"
OUT_OF_SCOPE_PERCENT = 20
"""Share of the out-of-scope rows that is evaluated with where testUri, which has none of them, is given."""


@dataclass(frozen=True)
class Split(Generic[T]):
    """Rows to train on, and rows to evaluate with (maybe none). `quality` tells of repeated and leaked rows."""

    train: list[T]
    test: list[T]
    quality: Quality = field(default_factory=Quality, kw_only=True)


@dataclass(frozen=True)
class _Kind(Generic[T]):
    """How rows of one kind are made of a file's rows, which of them are equal, and what a split keeps in balance."""

    parse: Callable[[Sequence[Row], str], list[T]]
    key: Callable[[T], Hashable]
    label: Callable[[T], Hashable] | None = None


def load_labelled(run: RunConfig, staged: Staged) -> Split[forms.Labelled]:
    """Texts with labels; rows held out keep the labels' shares. Raises TrainerError (InvalidData)."""
    columns = run.dataset.columns
    return _load(
        run,
        staged,
        _Kind(
            parse=lambda rows, field: forms.labelled(rows, columns, field),
            key=lambda row: _plain(row.text),
            label=lambda row: row.label,
        ),
    )


def load_conversations(run: RunConfig, staged: Staged) -> Split[forms.Conversation]:
    """Conversations, and refusals of the out-of-scope questions after them. Raises TrainerError (InvalidData)."""
    dataset = run.dataset
    rows = _load(
        run,
        staged,
        _Kind(
            parse=lambda rows, field: forms.conversations(rows, dataset.format, field, dataset.preset),
            key=lambda row: tuple((message["role"], _plain(message["content"])) for message in row.messages),
        ),
    )
    strangers = load_out_of_scope(run, staged, [row.messages[-2]["content"] for row in (*rows.train, *rows.test)])
    train, test = ([forms.refusal(row, dataset.refusal) for row in part] for part in (strangers.train, strangers.test))
    return Split(rows.train + train, rows.test + test, quality=rows.quality + strangers.quality)


def load_documents(run: RunConfig, staged: Staged) -> Split[forms.Document]:
    """Plain texts. Raises TrainerError (InvalidData)."""
    if run.dataset.format is not Format.TEXT:
        raise ValueError("documents have format Text")
    columns = run.dataset.columns
    return _load(
        run,
        staged,
        _Kind(parse=lambda rows, field: forms.documents(rows, columns, field), key=lambda row: _plain(row.text)),
    )


def load_out_of_scope(run: RunConfig, staged: Staged, own: Iterable[str]) -> Split[forms.OutOfScope]:
    """Questions that are not a bank's; none where the job names none. Raises TrainerError (InvalidData).

    `own`: the bank's questions; the log tells which rows are among them. Held out are validationPercent of each kind,
    or OUT_OF_SCOPE_PERCENT where there is a testUri. Equal texts are on one side.
    """
    if staged.out_of_scope is None:
        return Split([], [])
    read = read_rows(Path(staged.out_of_scope.path), OUT_OF_SCOPE_FIELD)
    rows = forms.out_of_scope(read, run.dataset.columns, OUT_OF_SCOPE_FIELD)
    percent = run.dataset.validation_percent or OUT_OF_SCOPE_PERCENT
    tell_contradictions({_plain(text) for text in own}, rows, _text_key, OUT_OF_SCOPE_FIELD)
    train, test = hold_out(rows, percent, run.training.seed, lambda row: row.kind, _text_key)
    logger.info("data: %d out-of-scope rows to train on, %d to evaluate with", len(train), len(test))
    return Split(train, test, quality=inspect(train, test, _text_key, OUT_OF_SCOPE_FIELD))


def _load(run: RunConfig, staged: Staged, kind: _Kind[Any]) -> Split[Any]:
    rows = kind.parse(read_rows(Path(staged.train.path), TRAIN_FIELD), TRAIN_FIELD)
    if staged.test is not None:
        train, test = rows, kind.parse(read_rows(Path(staged.test.path), TEST_FIELD), TEST_FIELD)
    else:
        percent = run.dataset.validation_percent
        train, test = hold_out(rows, percent, run.training.seed, kind.label, kind.key)
        if percent and not test:
            message = f"none of {len(rows)} rows can be held out to evaluate with: add rows, or set {TEST_FIELD}"
            raise invalid_data(message, TRAIN_FIELD)
    logger.info("data: %d rows to train on, %d to evaluate with", len(train), len(test))
    return Split(train, test, quality=inspect(train, test, kind.key, TEST_FIELD))


def _text_key(row: forms.OutOfScope) -> str:
    return _plain(row.text)


def _plain(text: str) -> str:
    """Rows that differ in case and white space alone are equal."""
    return " ".join(text.casefold().split())
