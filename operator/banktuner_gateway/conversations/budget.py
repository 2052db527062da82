"""How much of a conversation goes along with a question."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from banktuner_gateway.conversations.model import Turn
from banktuner_gateway.errors import ApiError

Count = Callable[[str], int]
"""Tokens of one message, the chat template's marks around it included."""

_BYTES_PER_TOKEN = 3
_TOKENS_PER_MESSAGE = 4
_MOST_CHARACTERS_PER_TOKEN = 8
"""English has 4 to 5; no text of sentences has more than this in any of the usual vocabularies."""


@dataclass(frozen=True)
class Budget:
    """In tokens. `prompt`: what the model can read, less what it may answer; None: not known, so that only the engine
    says what is too long. `history`: of that, for earlier turns.
    """

    prompt: int | None
    history: int


def approximate_tokens(text: str) -> int:
    """For where no tokenizer is at hand: a token every 3 bytes of UTF-8, and 4 for the marks around a message.

    English has 4 to 5 bytes a token in the usual vocabularies, so that this leaves room; text in other scripts, or of
    digits, may take more tokens than this says. The engine has the last word on what is too long.
    """
    return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN) + _TOKENS_PER_MESSAGE


def fit(
    history: Sequence[Turn], always: Sequence[str], budget: Budget, count: Count, *, field: str = "message"
) -> tuple[Turn, ...]:
    """The newest turns that fit beside the messages that always go along (system prompt, sources, question).

    A turn goes along whole or not at all, and none without all those after it: the count is a high one, and what it
    says too much of costs an old turn. Nobody is refused by it: ApiError 422 `message_too_long` with `field` is raised
    where `always` alone is too long by any count, and in between the engine decides. Takes the time that `count` takes
    for what fits.
    """
    left = budget.history
    if budget.prompt is not None:
        if sum(map(len, always)) > _MOST_CHARACTERS_PER_TOKEN * budget.prompt:
            raise _too_long(budget.prompt, field)
        left = min(left, budget.prompt - sum(map(count, always)))
    first = len(history)
    while first > 0:
        left -= count(history[first - 1].question) + count(history[first - 1].answer)
        if left < 0:
            break
        first -= 1
    return tuple(history[first:])


def _too_long(room: int, field: str) -> ApiError:
    message = (
        f"The model reads {room} tokens beside its answer. With the system prompt, the documents and all else that was"
        " sent along this is more. Shorten it."
    )
    return ApiError(422, "message_too_long", message, field=field)
