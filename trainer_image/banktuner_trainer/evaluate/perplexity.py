"""Perplexity per target token: how surprised the model is by the right answers."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from banktuner_trainer.data.encode import IGNORED, Encoded

TOKENS_A_BATCH = 4096
"""Bounds the memory that scores take: tokens x vocabulary x 4 bytes."""
MAX_EXPONENT = 80.0


@dataclass(frozen=True)
class Perplexity:
    """`loss`: mean negative log-likelihood of a target token, in nats."""

    loss: float
    targets: int

    @property
    def perplexity(self) -> float:
        """exp(loss), bounded so that it stays a number."""
        return math.exp(min(self.loss, MAX_EXPONENT))


def measure(model: Any, rows: Sequence[Encoded], pad_token_id: int) -> Perplexity:
    """Over all target tokens of `rows` alike, whatever row they are in; padding and prompts do not count."""
    was_training = model.training
    model.eval()
    total, targets = 0.0, 0
    with torch.inference_mode():
        for batch in _batches(rows):
            loss, count = _batch_loss(model, batch, pad_token_id)
            total, targets = total + loss, targets + count
    model.train(was_training)
    return Perplexity(loss=total / max(1, targets), targets=targets)


def _batches(rows: Sequence[Encoded]) -> Iterator[list[Encoded]]:
    """Rows of one length together, as many as TOKENS_A_BATCH allows."""
    batch: list[Encoded] = []
    for row in sorted(rows, key=lambda row: len(row.input_ids)):
        if batch and (len(batch) + 1) * len(row.input_ids) > TOKENS_A_BATCH:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _batch_loss(model: Any, rows: Sequence[Encoded], pad_token_id: int) -> tuple[float, int]:
    """(summed loss, target tokens) of one batch."""
    longest = max(len(row.input_ids) for row in rows)
    ids = torch.full((len(rows), longest), pad_token_id)
    labels = torch.full((len(rows), longest), IGNORED)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for index, row in enumerate(rows):
        count = len(row.input_ids)
        ids[index, :count] = torch.tensor(row.input_ids)
        labels[index, :count] = torch.tensor(row.labels)
        mask[index, :count] = 1
    device = model.device
    logits = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits[:, :-1]
    wanted = labels[:, 1:].to(device)
    chosen = wanted != IGNORED
    loss = torch.nn.functional.cross_entropy(logits[chosen].float(), wanted[chosen], reduction="sum")
    return float(loss), int(chosen.sum())
