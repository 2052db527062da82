"""Fields of OpenAI's API for what this assistant does not do: the values that ask for nothing are taken.

Clients send many of them by themselves. Any other value is refused by name rather than ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Nothing = Annotated[list[Any], Field(max_length=0)] | None
Key = Annotated[str, Field(max_length=64)]
Note = Annotated[str, Field(max_length=512)]


class PlainText(BaseModel):
    """The one form of an answer."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]


class RequestWithoutEffect(BaseModel):
    """Of a request. Names, notes and hints for OpenAI's own service may have any text, and nothing is kept of it."""

    tools: Nothing = None
    tool_choice: Literal["none", "auto"] | None = None
    parallel_tool_calls: bool | None = None
    functions: Nothing = None
    function_call: Literal["none", "auto"] | None = None
    logprobs: Literal[False] | None = None
    top_logprobs: Literal[0] | None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    response_format: PlainText | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    audio: None = None
    prediction: None = None
    web_search_options: None = None
    reasoning_effort: None = None
    verbosity: None = None
    store: Literal[False] | None = None
    metadata: Annotated[dict[Key, Note], Field(max_length=16)] | None = None
    service_tier: Literal["auto", "default"] | None = None
    user: Annotated[str, Field(max_length=256)] | None = None
    safety_identifier: Annotated[str, Field(max_length=256)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=256)] | None = None


class MessageWithoutEffect(BaseModel):
    """Of a message: what a client has from an answer of ours when it sends it back."""

    refusal: None = None
    annotations: Nothing = None
    audio: None = None
    function_call: None = None
    tool_calls: Nothing = None


UNSUPPORTED = frozenset(RequestWithoutEffect.model_fields) | frozenset(MessageWithoutEffect.model_fields)
