"""Rows that appear twice: within the training rows, and in the test rows although they are trained on."""

import logging
from collections.abc import Callable, Hashable, Sequence, Set
from dataclasses import dataclass
from typing import Protocol, TypeVar

from banktuner_api.common import Metric
from banktuner_trainer.reporting import metric

logger = logging.getLogger(__name__)
SHOWN = 5
"""Row numbers that a log line names."""


class Numbered(Protocol):
    """A row that knows its number in its file."""

    @property
    def number(self) -> int:
        """Counted from 1."""


T = TypeVar("T", bound=Numbered)


@dataclass(frozen=True)
class Quality:
    """Training rows that repeat an earlier one, and test rows that are training rows too."""

    duplicate_rows: int = 0
    leaked_test_rows: int = 0

    def __add__(self, other: "Quality") -> "Quality":
        """Of two files."""
        return Quality(self.duplicate_rows + other.duplicate_rows, self.leaked_test_rows + other.leaked_test_rows)

    def metrics(self) -> list[Metric]:
        """For the report."""
        return [
            metric("duplicate_rows", self.duplicate_rows),
            metric("leaked_test_rows", self.leaked_test_rows),
        ]


def inspect(train: Sequence[T], test: Sequence[T], key: Callable[[T], Hashable], test_field: str) -> Quality:
    """Count rows of equal `key`, and log the first row numbers. Nothing is left out.

    A test set that a bank brings is measured as it is, or its numbers could not be compared with anyone else's.
    """
    known: set[Hashable] = set()
    repeated: list[int] = []
    for row in train:
        value = key(row)
        if value in known:
            repeated.append(row.number)
        known.add(value)
    leaked = [row.number for row in test if key(row) in known]
    if repeated:
        logger.info("data: %d training rows repeat an earlier one (rows %s)", len(repeated), shown(repeated))
    if leaked:
        message = "%s: %d of %d rows are trained on too, so the evaluation flatters the model (rows %s)"
        logger.warning(message, test_field, len(leaked), len(test), shown(leaked))
    return Quality(len(repeated), len(leaked))


def tell_contradictions(own: Set[Hashable], strangers: Sequence[T], key: Callable[[T], Hashable], field: str) -> None:
    """Warn of out-of-scope rows that are the bank's own questions too: a model cannot learn both. Nothing is left out.

    `own`: keys of the bank's rows.
    """
    both = [row.number for row in strangers if key(row) in own]
    if both:
        message = "%s: %d of %d rows are questions of the bank's own data too: leave them out of one (rows %s)"
        logger.warning(message, field, len(both), len(strangers), shown(both))


def shown(numbers: Sequence[int]) -> str:
    """The first row numbers of a list, for a log line."""
    return ", ".join(str(number) for number in numbers[:SHOWN]) + (", ..." if len(numbers) > SHOWN else "")
