"""In or out of scope: how well what is not a bank's business is told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banktuner_api.common import Metric
from banktuner_trainer.data.forms import OutOfScopeKind
from banktuner_trainer.reporting import metric

TRUE_POSITIVE_RATE = 0.95


@dataclass(frozen=True)
class Judged:
    """One judged question; `out_of_scope` None: a bank's own.

    `score` grows with the belief that it is out of scope; `rejected`: what was decided.
    """

    out_of_scope: OutOfScopeKind | None
    score: float
    rejected: bool


def scope_metrics(judged: Sequence[Judged]) -> list[Metric]:
    """scope_accuracy, out_of_scope_recall, scope_auroc, scope_fpr95; the last three by kind too, where there are both.

    Out of scope is the positive class: the false positive rate is the share of a bank's own questions that are
    rejected where 95 % of the strangers are. Without one row of each class only what is defined is told.
    """
    inside = [row for row in judged if row.out_of_scope is None]
    outside = [row for row in judged if row.out_of_scope is not None]
    right = sum(row.rejected == (row.out_of_scope is not None) for row in judged)
    metrics = [metric("scope_accuracy", right / len(judged)), *_of_kind(inside, outside, "")]
    if len({row.out_of_scope for row in outside}) > 1:
        for kind in OutOfScopeKind:
            of_kind = [row for row in outside if row.out_of_scope is kind]
            metrics += _of_kind(inside, of_kind, "_" + kind.value.replace("-", "_"))
    return metrics


def _of_kind(inside: Sequence[Judged], outside: Sequence[Judged], suffix: str) -> list[Metric]:
    if not outside:
        return []
    recall = sum(row.rejected for row in outside) / len(outside)
    metrics = [metric(f"out_of_scope_recall{suffix}", recall)]
    if inside:
        from sklearn.metrics import roc_auc_score

        truth = np.array([False] * len(inside) + [True] * len(outside))
        scores = np.array([row.score for row in (*inside, *outside)], dtype=float)
        metrics.append(metric(f"scope_auroc{suffix}", float(roc_auc_score(truth, scores))))
        metrics.append(metric(f"scope_fpr95{suffix}", fpr_at_tpr(truth, scores)))
    return metrics


def fpr_at_tpr(truth: np.ndarray, scores: np.ndarray, rate: float = TRUE_POSITIVE_RATE) -> float:
    """Smallest false positive rate of a threshold whose true positive rate is at least `rate`."""
    from sklearn.metrics import roc_curve

    false_positives, true_positives, _ = roc_curve(truth, scores, drop_intermediate=False)
    return float(false_positives[np.argmax(true_positives >= rate)])
