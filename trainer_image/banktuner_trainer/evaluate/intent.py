"""Intents: accuracy with its interval, macro F1, and what is taken for what."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from banktuner_api.common import Metric
from banktuner_trainer.reporting import metric

Z_95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Confusion:
    """`counts[truth][predicted]` rows; both indexes run over `labels`."""

    labels: list[str]
    counts: list[list[int]]

    def most_confused(self, limit: int) -> list[tuple[str, str, int]]:
        """(truth, predicted, rows) of the wrong pairs, the most frequent first."""
        size = range(len(self.labels))
        wrong = [(self.labels[i], self.labels[j], self.counts[i][j]) for i in size for j in size if i != j]
        return sorted((pair for pair in wrong if pair[2]), key=lambda pair: -pair[2])[:limit]


def intent_metrics(truth: Sequence[str], predicted: Sequence[str]) -> list[Metric]:
    """intent_accuracy with its 95 % Wilson interval, and macro_f1; shares of 1."""
    hits = sum(right == answer for right, answer in zip(truth, predicted, strict=True))
    low, high = wilson(hits, len(truth))
    return [
        metric("intent_accuracy", hits / len(truth)),
        metric("intent_accuracy_low", low),
        metric("intent_accuracy_high", high),
        metric("macro_f1", macro_f1(truth, predicted)),
    ]


def wilson(hits: int, rows: int, z: float = Z_95) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927); it stays within 0 and 1 and holds for few rows too."""
    share = hits / rows
    centre = share + z * z / (2 * rows)
    half = z * math.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    scale = 1 + z * z / rows
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def macro_f1(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean over all labels seen in either list of F1 = 2 hits / (rows of the label + answers of the label)."""
    hits = Counter(right for right, answer in zip(truth, predicted, strict=True) if right == answer)
    seen = Counter(truth) + Counter(predicted)
    return sum(2 * hits[label] / count for label, count in seen.items()) / len(seen)


def confusion(truth: Sequence[str], predicted: Sequence[str]) -> Confusion:
    """Over all labels seen in either list, sorted."""
    labels = sorted({*truth, *predicted})
    place = {label: index for index, label in enumerate(labels)}
    counts = [[0] * len(labels) for _ in labels]
    for right, answer in zip(truth, predicted, strict=True):
        counts[place[right]][place[answer]] += 1
    return Confusion(labels, counts)
