"""What is sent to an engine and what it says: prompts, whole answers, pieces of a stream. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from banktuner_gateway.engine.faults import broken

DONE = b"[DONE]"
EVENT = b"data:"


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Prompt:
    """A question with everything before it. `sampling`: temperature, top_p, stop, seed in the OpenAI form."""

    turns: tuple[Turn, ...]
    max_tokens: int
    sampling: dict[str, Any] = field(default_factory=lambda: {"temperature": 0})

    def body(self, model: str, stream: bool) -> bytes:
        """The request's JSON."""
        asked: dict[str, Any] = {
            "model": model,
            "messages": [{"role": turn.role, "content": turn.content} for turn in self.turns],
            "max_tokens": self.max_tokens,
            **self.sampling,
        }
        if stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        return json.dumps(asked).encode()


class Usage(BaseModel):
    """Tokens, as the engine counts them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


@dataclass(frozen=True)
class Answer:
    """What was said, which of the engine's models said it, and why it ended."""

    text: str
    model: str
    finish_reason: str
    usage: Usage


@dataclass(frozen=True)
class Delta:
    """A piece of an answer; the last ones have a reason and the usage."""

    text: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    usage: Usage | None = None


class _Piece(BaseModel):
    content: str | None = None


class _StreamChoice(BaseModel):
    delta: _Piece = _Piece()
    finish_reason: str | None = None


class _Chunk(BaseModel):
    choices: list[_StreamChoice] = []
    usage: Usage | None = None


def parse_completion(body: bytes, model: str) -> Answer:
    """The first choice. Raises ApiError 502 when the body is not a chat completion."""
    try:
        whole = _Completion.model_validate_json(body)
    except ValidationError:
        # Not chained: a validation error quotes the body, and with it what the model said.
        raise broken() from None
    first = whole.choices[0]
    return Answer(first.message.content, model, first.finish_reason or "stop", whole.usage or Usage())


def parse_event(line: bytes) -> Delta | None:
    """One line of an event stream; None for those that say nothing and for the last one.

    Raises ApiError 502 where it is not a chunk of a chat completion.
    """
    data = line.removeprefix(EVENT).strip()
    if not line.startswith(EVENT) or not data or data == DONE:
        return None
    try:
        chunk = _Chunk.model_validate_json(data)
    except ValidationError:
        raise broken() from None
    first = chunk.choices[0] if chunk.choices else _StreamChoice()
    return Delta(first.delta.content or "", first.finish_reason, chunk.usage)
