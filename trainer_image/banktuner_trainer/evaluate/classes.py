"""Accuracy and macro F1 of a classifier."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch

from banktuner_api.common import Metric
from banktuner_trainer.reporting import metric

ROWS_A_BATCH = 64


def predict(
    model: Any, rows: Sequence[dict[str, Any]], batcher: Callable[[Sequence[Any]], dict[str, Any]]
) -> list[int]:
    """The likeliest class of each row, in the rows' order."""
    was_training = model.training
    model.eval()
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]["input_ids"]))
    predicted = [0] * len(rows)
    with torch.inference_mode():
        for start in range(0, len(order), ROWS_A_BATCH):
            places = order[start : start + ROWS_A_BATCH]
            batch = batcher([{"input_ids": rows[place]["input_ids"]} for place in places])
            logits = model(**{name: tensor.to(model.device) for name, tensor in batch.items()}).logits
            for place, answer in zip(places, logits.argmax(dim=-1).tolist(), strict=True):
                predicted[place] = answer
    model.train(was_training)
    return predicted


def class_metrics(truth: Sequence[int], predicted: Sequence[int]) -> list[Metric]:
    """intent_accuracy and macro_f1, shares of 1."""
    return [metric("intent_accuracy", accuracy(truth, predicted)), metric("macro_f1", macro_f1(truth, predicted))]


def accuracy(truth: Sequence[int], predicted: Sequence[int]) -> float:
    """Share of rows whose class is right."""
    return sum(right == answer for right, answer in zip(truth, predicted, strict=True)) / len(truth)


def macro_f1(truth: Sequence[int], predicted: Sequence[int]) -> float:
    """Mean over all classes seen in either list of F1 = 2 hits / (rows of the class + answers of the class)."""
    hits = Counter(right for right, answer in zip(truth, predicted, strict=True) if right == answer)
    seen = Counter(truth) + Counter(predicted)
    return sum(2 * hits[label] / count for label, count in seen.items()) / len(seen)
