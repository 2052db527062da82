"""POST /v1/chat/completions and GET /v1/models: the gateway in the form that OpenAI's clients know."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from banktuner_gateway.connection import EventStream, read_body, until_disconnected
from banktuner_gateway.deps import Deps
from banktuner_gateway.engine.messages import Prompt, Usage
from banktuner_gateway.errors import ApiError
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.openai import responses
from banktuner_gateway.openai.requests import ChatCompletionRequest
from banktuner_gateway.targets import Target, model_ids, target_of_model

COMPLETIONS, MODELS = "/v1/chat/completions", "/v1/models"
FIELD = "messages"
router = APIRouter(dependencies=[Security(HTTPBearer(auto_error=False))])


@router.get(MODELS)
async def list_models(request: Request) -> JSONResponse:
    """What `model` may be."""
    record, deps = await _begin(request, MODELS)
    ids = model_ids(deps.desired.current)
    return JSONResponse(responses.models(ids, request.app.state.config.name, int(record.began)))


@router.post(
    COMPLETIONS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ChatCompletionRequest.model_json_schema()}},
        }
    },
)
async def complete(request: Request) -> Response:
    """Ask the assistant; `stream` for the answer piece by piece."""
    record, deps = await _begin(request, COMPLETIONS)
    asked = parse(await read_body(request))
    target = target_of_model(deps.desired.current, deps.desired.superseded, asked.model)
    record.adapter, record.served_name = target.adapter, target.model
    prompt = Prompt(asked.turns(), asked.token_limit(request.app.state.config.max_tokens), asked.sampling())
    if asked.stream:
        events = _events(deps, record, target, prompt, asked)
        return EventStream(events, lambda problem: _failed(record, problem))
    return await _whole(request, deps, target, prompt, asked)


async def _whole(
    request: Request, deps: Deps, target: Target, prompt: Prompt, asked: ChatCompletionRequest
) -> JSONResponse:
    record: RequestRecord = request.state.record
    started = time.perf_counter()
    try:
        work = deps.engine.complete(target, prompt, record.request_id, FIELD)
        answer = await until_disconnected(request.receive, work)
    finally:
        record.upstream_seconds = time.perf_counter() - started
    record.served_name = answer.model
    return JSONResponse(responses.completion(record.request_id, int(record.began), asked.model, answer))


@asynccontextmanager
async def _events(
    deps: Deps, record: RequestRecord, target: Target, prompt: Prompt, asked: ChatCompletionRequest
) -> AsyncIterator[AsyncIterator[bytes]]:
    usage_too = bool(asked.stream_options and asked.stream_options.include_usage)
    chunks = responses.Chunks(record.request_id, int(record.began), asked.model, usage_too)
    started = time.perf_counter()
    try:
        async with deps.engine.stream(target, prompt, record.request_id, FIELD) as (deltas, model):
            record.served_name = model

            async def events() -> AsyncIterator[bytes]:
                usage = Usage()
                yield chunks.first()
                async for delta in deltas:
                    usage = delta.usage or usage
                    if event := chunks.piece(delta):
                        yield event
                yield chunks.last(usage)

            yield events()
    finally:
        record.upstream_seconds = time.perf_counter() - started


def parse(body: bytes) -> ChatCompletionRequest:
    """Raises ApiError 422 that names the field and does not repeat what was sent."""
    try:
        return ChatCompletionRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])[:128]
    if first["type"] == "json_invalid" or not field:
        raise ApiError(422, "invalid_body", "The body must be a JSON object with model and messages.")
    if first["type"] == "extra_forbidden":
        raise ApiError(422, "unsupported_field", "This assistant cannot do this. Leave the field out.", field=field)
    raise ApiError(422, "invalid_field", first["msg"] + ".", field=field)


async def _begin(request: Request, path: str) -> tuple[RequestRecord, Deps]:
    record: RequestRecord = request.state.record
    deps: Deps = request.app.state.deps
    record.route = path
    record.caller = (await deps.authenticator.authenticate(request.headers.raw)).name
    return record, deps


def _failed(record: RequestRecord, problem: ApiError) -> bytes:
    record.error_code = problem.code
    return responses.error_event(problem, record.request_id)


def error_body(problem: ApiError, request_id: str) -> dict[str, Any]:
    """An error of these paths."""
    return responses.error(problem, request_id)
