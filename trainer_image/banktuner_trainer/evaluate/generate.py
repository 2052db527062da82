"""Greedy answers of a model to many prompts at once: batched, padded on the left, with a key-value cache."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from banktuner_trainer.evaluate.questions import NO_LIMIT, Question

TOKENS_A_BATCH = 8192
"""Bounds the memory of the key-value cache."""
ROWS_A_BATCH = 64
SHORTEST_LIMIT, LONGEST_LIMIT = 16, 512
"""Bounds of the tokens that an answer may have."""
SLACK = 1.25
"""An answer may be so much longer than the longest right one."""

Allowed = Callable[[list[int]], list[int]]
"""From the tokens of an answer so far to those that may follow."""


@dataclass(frozen=True)
class Answers:
    """In the prompts' order. `ids` without the end token; `tokens` counts it; `seconds` of wall-clock time."""

    ids: list[list[int]]
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Writer:
    """Makes a model answer. `stops`: tokens that end an answer; `context`: tokens that the model can read."""

    tokenizer: Any
    stops: list[int]
    context: int

    def text(self, ids: Sequence[int]) -> str:
        """An answer as its reader sees it."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True)).strip()

    def answer(
        self,
        model: Any,
        prompts: Sequence[list[int]],
        limit: int,
        allowed: Allowed | None = None,
        told: Callable[[int], None] | None = None,
    ) -> Answers:
        """Answers of at most `limit` tokens; `told` gets the number of rows after each batch."""
        ids: list[list[int]] = [[] for _ in prompts]
        tokens, seconds = 0, 0.0
        with answering(model):
            for places in batches([len(prompt) for prompt in prompts], limit):
                start = time.perf_counter()
                made = self._batch(model, [prompts[place] for place in places], limit, allowed)
                seconds += time.perf_counter() - start
                for place, row in zip(places, made, strict=True):
                    ids[place] = self._cut(row)
                    tokens += min(len(row), len(ids[place]) + 1)
                if told:
                    told(len(places))
        return Answers(ids, tokens, seconds)

    def _batch(self, model: Any, prompts: list[list[int]], limit: int, allowed: Allowed | None) -> list[list[int]]:
        longest = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        made = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=max(1, min(limit, self.context - longest)),
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            use_cache=True,
            eos_token_id=self.stops,
            pad_token_id=pad,
            prefix_allowed_tokens_fn=self._rule(allowed, longest) if allowed else None,
        )
        rows: list[list[int]] = made[:, longest:].tolist()
        return rows

    def _rule(self, allowed: Allowed, prompt: int) -> Callable[[int, Any], list[int]]:
        """Rows that have ended are padded and may say anything."""
        return lambda _, ids: allowed(ids[prompt:].tolist()) or self.stops

    def _cut(self, ids: list[int]) -> list[int]:
        end = next((place for place, token in enumerate(ids) if token in self.stops), len(ids))
        return ids[:end]


def context_of(model: Any) -> int:
    """Tokens that the model can read, however long the rows are that it is trained on."""
    return int(getattr(model.config, "max_position_embeddings", None) or NO_LIMIT)


def writer_for(model: Any, tokenizer: Any, asked: Sequence[Question], context: int) -> Writer:
    """Answers end at the tokenizer's and the model's end tokens, and at the one that ends the right answers."""
    configured = getattr(model.generation_config, "eos_token_id", None)
    stops = {tokenizer.eos_token_id, *(configured if isinstance(configured, list) else [configured])}
    special = set(tokenizer.all_special_ids)
    stops |= {next((token for token in question.target if token in special), None) for question in asked}
    return Writer(tokenizer, sorted(stop for stop in stops if stop is not None), context)


def answer_limit(asked: Sequence[Question]) -> int:
    """Tokens an answer may have: somewhat more than the longest right one."""
    longest = max((len(question.target) for question in asked), default=0)
    return min(LONGEST_LIMIT, max(SHORTEST_LIMIT, int(longest * SLACK)))


def batches(lengths: Sequence[int], limit: int) -> Iterator[list[int]]:
    """Places of prompts of about one length, as many as the memory bounds allow."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: lengths[place]):
        full = (len(batch) + 1) * (lengths[place] + limit) > TOKENS_A_BATCH or len(batch) >= ROWS_A_BATCH
        if batch and full:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


@contextmanager
def answering(model: Any) -> Iterator[None]:
    """Evaluation mode without gradients; the former mode comes back."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
