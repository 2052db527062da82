"""POST /v1/chat/completions and GET /v1/models: the gateway in the form that OpenAI's clients know."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import Request
from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from banktuner_gateway.access.caller import Caller
from banktuner_gateway.access.rules import may_use, require_access
from banktuner_gateway.connection import EventStream, read_body, until_disconnected
from banktuner_gateway.deps import Deps
from banktuner_gateway.engine.messages import Delta
from banktuner_gateway.errors import ApiError, told_field
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.openai import responses, schemas
from banktuner_gateway.openai.requests import ChatCompletionRequest
from banktuner_gateway.openai.without_effect import UNSUPPORTED
from banktuner_gateway.pipeline.messages import Question
from banktuner_gateway.routes import documented
from banktuner_gateway.routes.entry import allowed_target, enter
from banktuner_gateway.targets import adapter_of_model, model_ids, target_of_model

COMPLETIONS, MODELS = "/v1/chat/completions", "/v1/models"
FIELD = "messages"
router = documented.callers_router()


@router.get(MODELS, response_model=schemas.ModelList, responses=documented.errors(schemas.Failure, 401, 429, 503))
async def list_models(request: Request) -> JSONResponse:
    """What `model` may be for this caller."""
    record, deps, caller = await enter(request, MODELS)
    state = deps.desired.current
    ids = [one for one in model_ids(state) if may_use(caller, adapter_of_model(state, one), deps.rules)]
    return JSONResponse(responses.models(ids, request.app.state.config.name, int(record.began)))


@router.get(
    MODELS + "/{model}",
    response_model=schemas.ListedModel,
    responses=documented.errors(schemas.Failure, 401, 403, 404, 429, 503),
    openapi_extra=documented.path_parameter("model"),
)
async def retrieve_model(request: Request) -> JSONResponse:
    """One of them."""
    record, deps, caller = await enter(request, MODELS)
    asked: str = request.path_params["model"]
    state = deps.desired.current
    adapter = adapter_of_model(state, asked)
    known = [item.name for item in state.adapters] if state else []
    require_access(caller, adapter, known, deps.rules, field="model")
    return JSONResponse(responses.model(asked, request.app.state.config.name, int(record.began)))


@router.post(
    COMPLETIONS,
    responses=documented.errors(schemas.Failure, *documented.QUESTION) | documented.streamed("Chunks for `stream`."),
    response_model=schemas.Completion,
    openapi_extra=documented.body(ChatCompletionRequest),
)
async def complete(request: Request) -> Response:
    """Ask the assistant; `stream` for the answer piece by piece."""
    record, deps, caller = await enter(request, COMPLETIONS)
    asked = parse(await read_body(request))
    question = await _question(request, record, deps, caller, asked)
    if asked.stream:
        return EventStream(_events(deps, record, question, asked), partial(_failed, record))
    reply = await until_disconnected(request.receive, deps.assistant.answer(question, record))
    return JSONResponse(responses.completion(record.request_id, int(record.began), asked.model, reply))


async def _question(
    request: Request, record: RequestRecord, deps: Deps, caller: Caller, asked: ChatCompletionRequest
) -> Question:
    *earlier, last = asked.turns()
    if last.role != "user":
        raise ApiError(422, "invalid_field", "The last message must be the user's.", field=FIELD)
    capacity = deps.engine.capacity
    return Question(
        text=last.content,
        target=await allowed_target(record, deps, caller, partial(target_of_model, model=asked.model), "model"),
        max_tokens=asked.token_limit(request.app.state.config.max_tokens, capacity.total if capacity else None),
        text_field=FIELD,
        earlier=tuple(earlier),
        sampling=asked.sampling(),
    )


@asynccontextmanager
async def _events(
    deps: Deps, record: RequestRecord, question: Question, asked: ChatCompletionRequest
) -> AsyncIterator[AsyncIterator[bytes]]:
    usage_too = bool(asked.stream_options and asked.stream_options.include_usage)
    chunks = responses.Chunks(record.request_id, int(record.began), asked.model, usage_too)
    # Given back before the stream's end is sent: who has read it may ask at once.
    async with record.held, deps.assistant.stream(question, record) as exchange:

        async def events() -> AsyncIterator[bytes]:
            first = True
            async for text in exchange.pieces():
                if first:
                    yield chunks.first()
                    first = False
                if text:
                    yield chunks.piece(Delta(text))
            assert exchange.reply is not None
            yield chunks.piece(Delta(finish_reason=exchange.reply.finish_reason))
            yield chunks.last(exchange.reply.usage)

        yield events()


def parse(body: bytes) -> ChatCompletionRequest:
    """Raises ApiError 422 that names the field and does not repeat what was sent."""
    try:
        return ChatCompletionRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    field = told_field(first["loc"])
    if first["type"] == "json_invalid" or not first["loc"]:
        raise ApiError(422, "invalid_body", "The body must be a JSON object with model and messages.")
    if first["type"] == "extra_forbidden" or UNSUPPORTED & {*first["loc"]}:
        raise ApiError(422, "unsupported_field", "This assistant cannot do this. Leave the field out.", field=field)
    raise ApiError(422, "invalid_field", first["msg"] + ".", field=field)


def _failed(record: RequestRecord, problem: ApiError) -> bytes:
    record.error_code = problem.code
    return responses.error_event(problem, record.request_id)
