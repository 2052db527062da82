"""What goes into the pipeline and what comes out, whatever form of the API asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from banktuner_gateway.engine.messages import Turn, Usage
from banktuner_gateway.retrieval.prompt import Cited
from banktuner_gateway.targets import Target


@dataclass(frozen=True)
class Question:
    """What a caller asks of `target`.

    `earlier`: turns that the client sent along; `remembered`: whether the gateway keeps the conversation, and
    `conversation` which (None: a new one). `text_field`: the request's field that holds the text.
    """

    text: str
    target: Target
    max_tokens: int
    text_field: str
    earlier: tuple[Turn, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=lambda: {"temperature": 0})
    remembered: bool = False
    conversation: str | None = None


@dataclass(frozen=True)
class Intent:
    """What the classifier takes the question for; `confidence` is a probability."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Reply:
    """An answer as the caller gets it; `refused`: the text is the bank's refusal, not the model's words."""

    text: str
    refused: bool
    finish_reason: str
    usage: Usage
    intent: Intent | None = None
    sources: tuple[Cited, ...] = ()
    conversation: str | None = None
