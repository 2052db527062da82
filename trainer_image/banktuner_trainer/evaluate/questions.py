"""What a model is asked: prompts as token ids, beside the answers that would be right."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from banktuner_trainer.data.encode import IGNORED, Encoded, encode_conversations
from banktuner_trainer.data.forms import Conversation, OutOfScopeKind

T = TypeVar("T")
NO_LIMIT = 2**31
"""Rows are encoded whole: one that was cut would end in the middle of its answer."""


@dataclass(frozen=True)
class Question:
    """`text`: what the user said last. `target`: ids of the right answer, its end token included."""

    prompt: list[int]
    text: str
    reference: str
    target: list[int]
    out_of_scope: OutOfScopeKind | None = None


def questions(tokenizer: Any, rows: Sequence[Conversation], max_length: int) -> list[Question]:
    """The last turn of each conversation; rows that do not fit into `max_length` tokens are left out.

    Raises TrainerError (InvalidData) where the chat template refuses a row.
    """
    return [found for found in (_question(tokenizer, row, max_length) for row in rows) if found is not None]


def sample(rows: Sequence[T], most: int, seed: int) -> list[T]:
    """At most `most` rows, in their order; the same rows and seed give the same sample."""
    if len(rows) <= most:
        return list(rows)
    chosen = sorted(random.Random(seed).sample(range(len(rows)), most))
    return [rows[index] for index in chosen]


def _question(tokenizer: Any, row: Conversation, max_length: int) -> Question | None:
    """The last reply is what the row's labels end with."""
    [encoded] = encode_conversations(tokenizer, [row], NO_LIMIT) or [Encoded([], [])]
    count = next((n for n, label in enumerate(reversed(encoded.labels)) if label == IGNORED), 0)
    if not count or len(encoded.input_ids) > max_length:
        return None
    asked = next((message["content"] for message in reversed(row.messages) if message["role"] == "user"), "")
    return Question(
        prompt=encoded.input_ids[:-count],
        text=asked,
        reference=row.messages[-1]["content"],
        target=encoded.input_ids[-count:],
        out_of_scope=row.out_of_scope,
    )


def answered(question: Question, target: Sequence[int]) -> Encoded:
    """The question with an answer, labelled so that only the answer counts."""
    return Encoded([*question.prompt, *target], [IGNORED] * len(question.prompt) + list(target))
