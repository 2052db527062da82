"""Turns signs of strangeness into a probability, and finds the threshold, on rows that were not trained on."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

ACCEPTED = 0.95
"""Share of a bank's own questions that is accepted where no stranger's question is there to compare with."""
LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class Calibration:
    """`weights` and `bias` make log-odds of the signs; from `threshold` on, a text is held to be out of scope.

    `inside` and `outside`: how many rows of either kind it was found on.
    """

    weights: list[float]
    bias: float
    threshold: float
    inside: int
    outside: int


def calibrate(inside: np.ndarray, outside: np.ndarray) -> Calibration:
    """From (rows, signs) of held-out rows of a bank's own, at least one, and of strangers where there are any.

    The signs weigh the same, in units of their spread over a bank's own rows: fitted weights would favour what tells
    the strangers at hand apart, and those to come are others.
    """
    weights = 1 / np.maximum(inside.std(axis=0), LEAST_SPREAD)
    ours, theirs = inside @ weights, outside @ weights
    slope, bias, threshold = _against(ours, theirs) if len(theirs) else (1.0, -float(np.quantile(ours, ACCEPTED)), 0.5)
    return Calibration([float(weight * slope) for weight in weights], bias, threshold, len(inside), len(outside))


def _against(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """(slope, bias) of Platt's scaling, both kinds weighing the same, and the threshold of the probability."""
    values = np.concatenate([ours, theirs]).reshape(-1, 1)
    truth = np.repeat([0, 1], [len(ours), len(theirs)])
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit(values, truth)
    slope, bias = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
    inside, outside = (1 / (1 + np.exp(-(slope * scores + bias))) for scores in (ours, theirs))
    return slope, bias, best_threshold(inside, outside)


def best_threshold(inside: np.ndarray, outside: np.ndarray) -> float:
    """The threshold with the best balanced accuracy, for scores in 0 to 1; of several the middle of the widest gap."""
    edges = np.unique(np.concatenate([[0.0, 1.0], inside, outside]))
    candidates = (edges[1:] + edges[:-1]) / 2
    accepted = np.searchsorted(np.sort(inside), candidates) / len(inside)
    rejected = 1 - np.searchsorted(np.sort(outside), candidates) / len(outside)
    quality = accepted + rejected
    best = np.flatnonzero(quality >= quality.max() - 1e-12)
    return float(candidates[best[np.argmax(np.diff(edges)[best])]])
