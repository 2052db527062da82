"""Holds rows out for evaluation: seeded, and with every label's share kept where rows have labels."""

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


def hold_out(
    rows: Sequence[T], percent: int, seed: int, label: Callable[[T], Hashable] | None = None
) -> tuple[list[T], list[T]]:
    """(kept, held out), both in their first order. `percent` of each label's rows; a label's only row is kept.

    The same rows, percent and seed give the same split.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        groups[label(row) if label else None].append(index)
    generator = random.Random(seed)
    held: set[int] = set()
    for members in groups.values():
        count = min(len(members) - 1, max(1, round(len(members) * percent / 100))) if percent else 0
        held.update(generator.sample(members, count))
    kept = [row for index, row in enumerate(rows) if index not in held]
    return kept, [row for index, row in enumerate(rows) if index in held]
