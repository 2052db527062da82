"""POST /api/v1/chat/: a question of a conversation, answered whole or piece by piece."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails
from starlette.responses import JSONResponse, Response

from banktuner_gateway.connection import EventStream, read_body, until_disconnected
from banktuner_gateway.deps import Deps
from banktuner_gateway.errors import ApiError, ErrorBody, told_field
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.pipeline.messages import Question, Reply
from banktuner_gateway.routes import documented
from banktuner_gateway.routes.entry import allowed_target, enter
from banktuner_gateway.targets import select_target

PATH = "/api/v1/chat/"
COMMENT = b": the model answers\n\n"
"""Begins a stream before there is text that may be sent."""


class ChatRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(min_length=1, max_length=8000, description="The question, 1 to 8,000 characters.")]
    conversation_id: Annotated[
        str | None,
        Field(max_length=64, description="Of an earlier answer; left out or null: a new conversation."),
    ] = None
    adapter: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=40,
            description="Name of the adapter that is to answer. Left out: the BankingModel's default adapter, or the "
            "base model where it has none. null, given explicitly: the base model without any adapter.",
        ),
    ] = None
    stream: Annotated[
        bool,
        Field(
            description="Server-sent events: `piece` with {text}, then `answer` with the whole answer's JSON, "
            "or `error`."
        ),
    ] = False


class IntentFound(BaseModel):
    """What the classifier takes the question for."""

    label: str
    confidence: float


class SourceNamed(BaseModel):
    """A passage of the bank's documents that the answer rests on."""

    number: int
    document: str
    title: str
    section: str
    score: float


class ChatResponse(BaseModel):
    """An answer."""

    response: Annotated[str, Field(description="What the assistant says.")]
    model: Annotated[str, Field(description="Name of the assistant.")]
    adapter: Annotated[str | None, Field(description="Name of the adapter that answered; null: the base model.")]
    conversation_id: Annotated[
        str | None, Field(description="To go on with, after a refusal too; null where none was begun.")
    ]
    intent: IntentFound | None
    sources: list[SourceNamed]
    refused: Annotated[bool, Field(description="Whether this is the refusal instead of an answer.")]
    request_id: Annotated[str, Field(description="The same as in the header X-Request-ID and in the logs.")]


router = documented.callers_router()


@router.post(
    PATH,
    responses=documented.errors(ErrorBody, *documented.QUESTION)
    | documented.streamed("An answer; events for `stream`."),
    response_model=ChatResponse,
    openapi_extra=documented.body(ChatRequest),
)
async def chat(request: Request) -> Response:
    """Ask the assistant one question."""
    record, deps, caller = await enter(request, PATH)
    asked = parse_question(await read_body(request))
    select = partial(select_target, adapter=asked.adapter, use_default="adapter" not in asked.model_fields_set)
    question = Question(
        text=asked.message,
        target=await allowed_target(record, deps, caller, select, "adapter"),
        max_tokens=request.app.state.config.max_tokens,
        text_field="message",
        remembered=True,
        conversation=asked.conversation_id,
    )
    if asked.stream:
        return EventStream(_events(deps, record, question), partial(_failed, record))
    reply = await until_disconnected(request.receive, deps.assistant.answer(question, record))
    return JSONResponse(_told(deps, record, reply).model_dump())


@asynccontextmanager
async def _events(deps: Deps, record: RequestRecord, question: Question) -> AsyncIterator[AsyncIterator[bytes]]:
    # Given back before the stream's end is sent: who has read it may ask at once.
    async with record.held, deps.assistant.stream(question, record) as exchange:

        async def events() -> AsyncIterator[bytes]:
            async for text in exchange.pieces():
                yield _event("piece", {"text": text}) if text else COMMENT
            assert exchange.reply is not None
            yield _event("answer", _told(deps, record, exchange.reply).model_dump())

        yield events()


def _told(deps: Deps, record: RequestRecord, reply: Reply) -> ChatResponse:
    return ChatResponse(
        response=reply.text,
        model=deps.model_name,
        adapter=record.adapter,
        conversation_id=reply.conversation,
        intent=IntentFound(label=reply.intent.label, confidence=reply.intent.confidence) if reply.intent else None,
        sources=[SourceNamed(**vars(one)) for one in reply.sources],
        refused=reply.refused,
        request_id=record.request_id,
    )


def _failed(record: RequestRecord, problem: ApiError) -> bytes:
    record.error_code = problem.code
    return _event("error", problem.body(record.request_id))


def _event(kind: str, data: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def parse_question(body: bytes) -> ChatRequest:
    """Raises ApiError 422 that names the field and does not repeat what was sent."""
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _unprocessable(first) from None


def _unprocessable(problem: ErrorDetails) -> ApiError:
    if problem["type"] == "json_invalid" or not problem["loc"]:
        return ApiError(422, "invalid_body", 'The body must be a JSON object such as {"message": "…"}.')
    field = told_field(problem["loc"][:1])
    if problem["type"] == "extra_forbidden":
        known = ", ".join(ChatRequest.model_fields)
        return ApiError(422, "unknown_field", f"There is no such field. Known: {known}.", field=field)
    return ApiError(422, "invalid_field", problem["msg"] + ".", field=field)
