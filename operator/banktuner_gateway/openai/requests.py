"""What a client of the OpenAI API may ask: every field is bounded, and what cannot be done is refused by name."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from banktuner_gateway.engine.messages import Turn
from banktuner_gateway.errors import ApiError
from banktuner_gateway.openai.without_effect import MessageWithoutEffect, RequestWithoutEffect

MAX_MESSAGES = 200
MAX_CHARACTERS = 32_000
Tokens = Annotated[int, Field(ge=1, le=1_048_576)]
Stop = Annotated[str, Field(min_length=1, max_length=64)]


class TextPart(BaseModel):
    """A part of a message's content."""

    type: Literal["text"]
    text: str


_Content = Annotated[str, Field(max_length=MAX_CHARACTERS)] | list[TextPart]


def _one_text(content: Any) -> Any:
    """A list of text parts as one text; anything else is left for the validation to refuse."""
    if isinstance(content, list) and all(map(_is_text, content)):
        return "".join(part["text"] for part in content)
    return content


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


class ChatMessage(MessageWithoutEffect):
    """A message; content as text or as a list of text parts."""

    model_config = ConfigDict(extra="forbid")

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[
        str, BeforeValidator(_one_text, json_schema_input_type=_Content), Field(max_length=MAX_CHARACTERS)
    ]
    name: Annotated[str, Field(max_length=64)] | None = None


class StreamOptions(BaseModel):
    """`include_usage`: the last piece tells the tokens."""

    model_config = ConfigDict(extra="forbid")

    include_usage: bool | None = None
    include_obfuscation: Literal[False] | None = None


class ChatCompletionRequest(RequestWithoutEffect):
    """The body of POST /v1/chat/completions. Fields that would change the answer and cannot be had are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    model: Annotated[str, Field(min_length=1, max_length=63, description="An id of GET /v1/models.")]
    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Literal[1] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None

    def sampling(self) -> dict[str, Any]:
        """What the engine is told of; greedy where nothing is said."""
        fields = ("top_p", "stop", "seed", "frequency_penalty", "presence_penalty")
        asked = {name: getattr(self, name) for name in fields if getattr(self, name) is not None}
        return {"temperature": self.temperature or 0} | asked

    def token_limit(self, most: int, model_length: int | None) -> int:
        """Of the answer: what is asked for, and never more than `most`.

        Raises ApiError 422 for more than the model reads and writes together, where that is known.
        """
        limits = {"max_tokens": self.max_tokens, "max_completion_tokens": self.max_completion_tokens}
        asked = {name: limit for name, limit in limits.items() if limit is not None}
        for name, limit in asked.items():
            if model_length is not None and limit > model_length:
                message = f"The model reads and writes {model_length} tokens together. Ask for fewer."
                raise ApiError(422, "invalid_field", message, field=name)
        return min([most, *asked.values()])

    def turns(self) -> tuple[Turn, ...]:
        """The messages as the model is to see them.

        A client's system message is put as a user's: only the bank speaks as the system, or any client could lift its
        rules.
        """
        return tuple(
            Turn("assistant" if message.role == "assistant" else "user", message.content) for message in self.messages
        )
