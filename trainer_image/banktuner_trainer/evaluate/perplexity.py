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
    targets = sum(row.targets for row in rows)
    return Perplexity(loss=sum(_losses(model, rows, pad_token_id)) / max(1, targets), targets=targets)


def mean_log_likelihoods(model: Any, rows: Sequence[Encoded], pad_token_id: int) -> list[float]:
    """Mean log-likelihood of a target token of each row, in nats; every row has one."""
    losses = _losses(model, rows, pad_token_id)
    return [-loss / row.targets for loss, row in zip(losses, rows, strict=True)]


def _losses(model: Any, rows: Sequence[Encoded], pad_token_id: int) -> list[float]:
    """Summed loss of each row's target tokens, in the rows' order."""
    was_training = model.training
    model.eval()
    losses = [0.0] * len(rows)
    with torch.inference_mode():
        for places in _batches(rows):
            batch = _row_losses(model, [rows[place] for place in places], pad_token_id).tolist()
            for place, loss in zip(places, batch, strict=True):
                losses[place] = loss
    model.train(was_training)
    return losses


def _batches(rows: Sequence[Encoded]) -> Iterator[list[int]]:
    """Places of rows of about one length, as many as TOKENS_A_BATCH allows."""
    batch: list[int] = []
    for place in sorted(range(len(rows)), key=lambda place: len(rows[place].input_ids)):
        if batch and (len(batch) + 1) * len(rows[place].input_ids) > TOKENS_A_BATCH:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _row_losses(model: Any, rows: Sequence[Encoded], pad_token_id: int) -> Any:
    """Summed negative log-likelihood of each row's target tokens, in nats; shape (rows,)."""
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
    losses = torch.nn.functional.cross_entropy(logits[chosen].float(), wanted[chosen], reduction="none")
    whose = chosen.nonzero()[:, 0]
    return torch.zeros(len(rows), device=device).index_add_(0, whose, losses)
