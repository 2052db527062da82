"""Rows of a classifier: which are trained on, which calibrate the out-of-scope score, which are evaluated with."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from banktuner_trainer.classify.batching import Encoded
from banktuner_trainer.data.forms import Labelled, OutOfScope, OutOfScopeKind
from banktuner_trainer.data.load import TEST_FIELD, TRAIN_FIELD, Split
from banktuner_trainer.errors import invalid_data

CALIBRATION_SHARE = 0.05
CALIBRATION_ROWS = 500
"""Held out of training to calibrate with: this share of the rows, and no more than so many of either kind."""


@dataclass(frozen=True)
class Part:
    """Encoded rows; `kinds[i]` is None for a bank's own question. Strangers' label is the number after the last."""

    rows: list[Encoded]
    kinds: list[OutOfScopeKind | None]

    def inside(self) -> list[int]:
        """Places of a bank's own questions."""
        return [place for place, kind in enumerate(self.kinds) if kind is None]

    def outside(self) -> list[int]:
        """Places of the others."""
        return [place for place, kind in enumerate(self.kinds) if kind is not None]


@dataclass(frozen=True)
class Rows:
    """What a run works with. `outputs`: of the head, one more than labels where strangers are trained on."""

    labels: list[str]
    train: Part
    calibration: Part
    test: Part

    @property
    def outputs(self) -> int:
        """Of the head."""
        return len(self.labels) + bool(self.train.outside())


@dataclass(frozen=True)
class Encoder:
    """Texts to token ids, cut at `length` tokens."""

    tokenizer: Any
    labels: dict[str, int]
    length: int

    def part(self, bank: Sequence[Labelled], strangers: Sequence[OutOfScope]) -> Part:
        """Both kinds of row, a bank's own first."""
        labels = [self.labels[row.label] for row in bank] + [len(self.labels)] * len(strangers)
        texts = [row.text for row in bank] + [row.text for row in strangers]
        encoded = self.tokenizer(texts, truncation=True, max_length=self.length)["input_ids"] if texts else []
        rows = [
            {"input_ids": ids, "labels": label, "length": len(ids)} for ids, label in zip(encoded, labels, strict=True)
        ]
        return Part(rows, [None] * len(bank) + [row.kind for row in strangers])


def prepare(bank: Split[Labelled], strangers: Split[OutOfScope], tokenizer: Any, length: int, seed: int) -> Rows:
    """All rows, encoded. Raises TrainerError (InvalidData) where labels do not allow a classifier."""
    labels = sorted({row.label for row in bank.train})
    _check_labels(bank, labels)
    train, held = hold_out_some(bank.train, [row.label for row in bank.train], seed)
    taught, kept = hold_out_some(strangers.train, [row.kind for row in strangers.train], seed)
    encoder = Encoder(tokenizer, {label: number for number, label in enumerate(labels)}, length)
    return Rows(
        labels,
        train=encoder.part(train, taught),
        calibration=encoder.part(held, kept),
        test=encoder.part(bank.test, strangers.test),
    )


def hold_out_some(rows: Sequence[Any], labels: Sequence[Any], seed: int) -> tuple[list[Any], list[Any]]:
    """(kept, held out), both in their first order; every label keeps at least half of its rows.

    A share of all rows rather than of each label's: where a label has few rows, it can spare none.
    """
    wanted = min(CALIBRATION_ROWS, math.ceil(len(rows) * CALIBRATION_SHARE))
    left = {label: count // 2 for label, count in Counter(labels).items()}
    held: set[int] = set()
    for place in random.Random(seed).sample(range(len(rows)), len(rows)):
        if len(held) < wanted and left[labels[place]]:
            left[labels[place]] -= 1
            held.add(place)
    kept = [row for place, row in enumerate(rows) if place not in held]
    return kept, [row for place, row in enumerate(rows) if place in held]


def _check_labels(bank: Split[Labelled], labels: Sequence[str]) -> None:
    if len(labels) < 2:
        raise invalid_data("a classifier needs at least two labels", TRAIN_FIELD)
    known = set(labels)
    unknown = next((row.number for row in bank.test if row.label not in known), None)
    if unknown is not None:
        raise invalid_data(f"row {unknown} has a label that no training row has", TEST_FIELD)
