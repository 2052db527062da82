"""Holds rows out for evaluation: seeded, every label's share kept where rows have labels, equal rows on one side."""

import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


def hold_out(
    rows: Sequence[T],
    percent: int,
    seed: int,
    label: Callable[[T], Hashable] | None = None,
    key: Callable[[T], Hashable] | None = None,
) -> tuple[list[T], list[T]]:
    """(kept, held out), both in their first order. `percent` of each label's rows, at least one; its last row is kept.

    Rows of equal `key` stay on one side, and are kept where they have several labels. The same rows, percent and
    seed give the same split.
    """
    if not percent:
        return list(rows), []
    held: set[int] = set()
    generator = random.Random(seed)
    for clusters in _clusters_by_label(rows, label, key).values():
        held.update(_sample(clusters, percent, generator))
    kept = [row for index, row in enumerate(rows) if index not in held]
    return kept, [row for index, row in enumerate(rows) if index in held]


def _clusters_by_label(
    rows: Sequence[T], label: Callable[[T], Hashable] | None, key: Callable[[T], Hashable] | None
) -> dict[Hashable, list[list[int]]]:
    """Indices of equal rows, by their label. Rows of several labels are in none of them."""
    equal: dict[Hashable, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        equal[key(row) if key else index].append(index)
    groups: dict[Hashable, list[list[int]]] = defaultdict(list)
    for members in equal.values():
        labels = {label(rows[index]) if label else None for index in members}
        if len(labels) == 1:
            groups[labels.pop()].append(members)
    return groups


def _sample(clusters: list[list[int]], percent: int, generator: random.Random) -> list[int]:
    """Clusters drawn at random while they fit in the share; where none fits, the smallest. One cluster is kept."""
    if len(clusters) < 2:
        return []
    room = max(1, round(sum(map(len, clusters)) * percent / 100))
    drawn = generator.sample(clusters, len(clusters))
    held: list[list[int]] = []
    for cluster in drawn[:-1]:
        if len(cluster) <= room:
            held.append(cluster)
            room -= len(cluster)
    return [index for cluster in held or [min(drawn, key=len)] for index in cluster]
