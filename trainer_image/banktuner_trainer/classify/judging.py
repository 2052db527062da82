"""Asks a trained classifier: labels, scores, and the numbers that they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from banktuner_api.common import Metric
from banktuner_trainer.classify.batching import Batcher, Encoded
from banktuner_trainer.classify.calibration import Calibration, calibrate
from banktuner_trainer.classify.judge import Judge, memory_of, strangers_of
from banktuner_trainer.classify.model import Classifier, pooled
from banktuner_trainer.classify.rows import Part, Rows
from banktuner_trainer.evaluate.intent import intent_metrics
from banktuner_trainer.evaluate.scope import Judged, scope_metrics

CHUNK = 512
"""Rows whose cosines to the whole memory are held at once."""


@dataclass(frozen=True)
class Answers:
    """(rows, labels) logits, and (rows,) probabilities of being out of scope."""

    logits: np.ndarray
    out_of_scope: np.ndarray

    def labels(self) -> list[int]:
        """The likeliest label of each row, in or out of scope."""
        return [int(label) for label in self.logits.argmax(axis=1)]


def fit_judge(model: Classifier, rows: Rows, batcher: Batcher) -> tuple[Judge, Calibration]:
    """The judge of a trained model, calibrated on held-out rows, or on training rows without any."""
    taught, strange = rows.train.inside(), rows.train.outside()
    vectors = pooled(model, rows.train.rows, batcher)
    memory = memory_of(vectors[taught], [rows.train.rows[place]["labels"] for place in taught])
    judge = Judge(model.head, memory, strangers_of(vectors[strange]))
    held = rows.calibration if rows.calibration.inside() else rows.train
    with torch.no_grad():
        signs = torch.cat([judge.look(part)[1] for part in pooled(model, held.rows, batcher).split(CHUNK)])
    values = signs.cpu().numpy()
    found = calibrate(values[held.inside()], values[held.outside()])
    judge.adopt(found.weights, found.bias)
    return judge, found


@torch.no_grad()
def answers(model: Classifier, judge: Judge, rows: Sequence[Encoded], batcher: Batcher) -> Answers:
    """What the classifier says of `rows`, in their order."""
    if not rows:
        return Answers(np.zeros((0, len(judge.memory))), np.zeros(0))
    said = [judge(part) for part in pooled(model, rows, batcher).split(CHUNK)]
    logits, out_of_scope = (torch.cat(parts).cpu().numpy() for parts in zip(*said, strict=True))
    return Answers(logits, out_of_scope)


@torch.no_grad()
def loss(model: Classifier, rows: Sequence[Encoded], batcher: Batcher) -> float:
    """Mean cross-entropy of rows in nats, without smoothing."""
    logits = model.head(pooled(model, rows, batcher))
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
