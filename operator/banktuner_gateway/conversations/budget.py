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


@dataclass(frozen=True)
class Budget:
    """In tokens. `prompt`: what the model can read, less what it may answer. `history`: of that, for earlier turns."""

    prompt: int
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

    A turn goes along whole or not at all, and none without all those after it. Raises ApiError 422 `message_too_long`
    with `field` where `always` alone is too long. Takes the time that `count` takes for what fits.
    """
    needed = sum(map(count, always))
    if needed > budget.prompt:
        message = f"Too long by about {needed - budget.prompt} tokens, with all that goes along with it. Shorten it."
        raise ApiError(422, "message_too_long", message, field=field)
    left = min(budget.history, budget.prompt - needed)
    first = len(history)
    while first > 0:
        left -= count(history[first - 1].question) + count(history[first - 1].answer)
        if left < 0:
            break
        first -= 1
    return tuple(history[first:])
