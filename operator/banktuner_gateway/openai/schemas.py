"""The answers of the OpenAI form as models, for the OpenAPI document; `responses` makes them."""

from typing import Literal

from pydantic import BaseModel

from banktuner_gateway.engine.messages import Usage
from banktuner_gateway.retrieval.prompt import Cited


class Message(BaseModel):
    """What the assistant says."""

    role: Literal["assistant"]
    content: str


class Choice(BaseModel):
    """The one choice. `finish_reason`: `content_filter` where a guard replaced or ended the answer."""

    index: Literal[0]
    message: Message
    finish_reason: str
    logprobs: None


class Completion(BaseModel):
    """A whole answer; `created` in seconds since 1970. `sources` is ours; OpenAI's clients keep it."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    sources: list[Cited]


class ListedModel(BaseModel):
    """What `model` may be."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All that this caller may ask."""

    object: Literal["list"]
    data: list[ListedModel]


class FailureDetail(BaseModel):
    """`code` is stable and for programs, `param` is the body's field to mend."""

    message: str
    type: str
    param: str | None
    code: str
    request_id: str


class Failure(BaseModel):
    """Body of every answer that is not a success."""

    error: FailureDetail
