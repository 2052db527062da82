"""Asks a trained classifier: labels, scores, and the numbers that they add up to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from banktuner_trainer.classify.artifact import Trained
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
    """The likeliest label of each row, in or out of scope, and (rows,) probabilities of being out of scope."""

    labels: list[str]
    out_of_scope: np.ndarray


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
def answers(trained: Trained, rows: Sequence[Encoded], batcher: Batcher) -> Answers:
    """What the classifier says of `rows`, in their order."""
    if not rows:
        return Answers([], np.zeros(0))
    said = [trained.judge(part) for part in pooled(trained.model, rows, batcher).split(CHUNK)]
    logits, out_of_scope = (torch.cat(parts).cpu().numpy() for parts in zip(*said, strict=True))
    return Answers([trained.description.labels[label] for label in logits.argmax(axis=1)], out_of_scope)


@torch.no_grad()
def loss(model: Classifier, rows: Sequence[Encoded], batcher: Batcher) -> float:
    """Mean cross-entropy of rows in nats, without smoothing."""
    logits = model.head(pooled(model, rows, batcher))
    truth = torch.tensor([row["labels"] for row in rows], device=model.device)
    return float(torch.nn.functional.cross_entropy(logits, truth))


def truth_and_answers(said: Answers, part: Part, labels: Sequence[str]) -> tuple[list[str], list[str]]:
    """The right label and the likeliest one of each of the bank's own rows; `labels`: what the rows' numbers mean."""
    inside = part.inside()
    return [labels[part.rows[place]["labels"]] for place in inside], [said.labels[place] for place in inside]


def values(trained: Trained, said: Answers, part: Part, labels: Sequence[str]) -> dict[str, float]:
    """Of the bank's own rows the intents; of both kinds, where there are strangers, how well they are told apart."""
    measured = intent_metrics(*truth_and_answers(said, part, labels)) if part.inside() else []
    if part.outside():
        threshold = trained.description.calibration.threshold
        judged = [
            Judged(kind, float(value), bool(value >= threshold))
            for kind, value in zip(part.kinds, said.out_of_scope, strict=True)
        ]
        measured = measured + scope_metrics(judged)
    return {one.name: float(one.value) for one in measured}
