"""Asks a trained classifier: labels, scores, and the numbers that they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from banktuner_api.common import Metric
from banktuner_trainer.classify.batching import Batcher, Encoded
from banktuner_trainer.classify.calibration import Calibration, calibrate
from banktuner_trainer.classify.model import Classifier, pooled
from banktuner_trainer.classify.rows import Part, Rows
from banktuner_trainer.classify.scope import ScopeScore, memory_of
from banktuner_trainer.evaluate.intent import intent_metrics
from banktuner_trainer.evaluate.scope import Judged, scope_metrics

CHUNK = 1024
"""Rows whose cosines to the whole memory are held at once."""


@dataclass(frozen=True)
class Answers:
    """(rows, labels) logits of the labels alone, and (rows,) probabilities of being out of scope."""

    logits: np.ndarray
    out_of_scope: np.ndarray

    def labels(self) -> list[int]:
        """The likeliest label of each row, in or out of scope."""
        return [int(label) for label in self.logits.argmax(axis=1)]


def fit_score(model: Classifier, rows: Rows, batcher: Batcher) -> tuple[ScopeScore, Calibration]:
    """The out-of-scope score of a trained model, calibrated on held-out rows, or on training rows without any."""
    taught = [rows.train.rows[place] for place in rows.train.inside()]
    memory = memory_of(_features(model, taught, batcher), [row["labels"] for row in taught])
    score = ScopeScore(len(rows.labels), memory).to(model.device)
    held = rows.calibration if rows.calibration.inside() else rows.train
    signs = _signs(model, score, held.rows, batcher)
    found = calibrate(signs[held.inside()], signs[held.outside()])
    score.adopt(found.weights, found.bias)
    return score, found


def answers(model: Classifier, score: ScopeScore, rows: Sequence[Encoded], batcher: Batcher) -> Answers:
    """What the classifier says of `rows`, in their order."""
    if not rows:
        return Answers(np.zeros((0, score.labels)), np.zeros(0))
    features = _features(model, rows, batcher)
    with torch.no_grad():
        logits = [model.head(part) for part in features.split(CHUNK)]
        scores = [score(part, ours) for part, ours in zip(features.split(CHUNK), logits, strict=True)]
    return Answers(torch.cat(logits)[:, : score.labels].cpu().numpy(), torch.cat(scores).cpu().numpy())


@torch.no_grad()
def loss(model: Classifier, rows: Sequence[Encoded], batcher: Batcher) -> float:
    """Mean cross-entropy of rows in nats, without smoothing."""
    logits = model.head(_features(model, rows, batcher))
    truth = torch.tensor([row["labels"] for row in rows], device=model.device)
    return float(torch.nn.functional.cross_entropy(logits, truth))


def truth_and_answers(said: Answers, part: Part, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The right label and the likeliest one of each of the bank's own rows."""
    predicted = said.labels()
    inside = part.inside()
    return [labels[part.rows[place]["labels"]] for place in inside], [labels[predicted[place]] for place in inside]


def metrics(said: Answers, part: Part, labels: Sequence[str], threshold: float) -> list[Metric]:
    """Of the bank's own rows the intents; of both kinds, where there are strangers, how well they are told apart."""
    measured = intent_metrics(*truth_and_answers(said, part, labels)) if part.inside() else []
    if not part.outside():
        return measured
    judged = [
        Judged(kind, float(value), bool(value >= threshold))
        for kind, value in zip(part.kinds, said.out_of_scope, strict=True)
    ]
    return measured + scope_metrics(judged)


def _features(model: Classifier, rows: Sequence[Encoded], batcher: Batcher) -> Any:
    with torch.no_grad():
        return model.head.features(pooled(model, rows, batcher))


def _signs(model: Classifier, score: ScopeScore, rows: Sequence[Encoded], batcher: Batcher) -> np.ndarray:
    features = _features(model, rows, batcher)
    with torch.no_grad():
        parts = [score.signs(part, model.head(part)) for part in features.split(CHUNK)]
    return np.asarray(torch.cat(parts).cpu().numpy())
