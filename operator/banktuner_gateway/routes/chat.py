"""POST /api/v1/chat/: one question, one answer."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from banktuner_gateway.connection import read_body, until_disconnected
from banktuner_gateway.deps import Deps
from banktuner_gateway.engine.messages import Prompt, Turn
from banktuner_gateway.errors import ApiError, ErrorBody
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.targets import select_target

PATH = "/api/v1/chat/"


class ChatRequest(BaseModel):
    """A question."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(min_length=1, max_length=8000, description="The question, 1 to 8,000 characters.")]
    adapter: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=40,
            description="Name of the adapter that is to answer. Left out: the BankingModel's default adapter, or the "
            "base model where it has none. null, given explicitly: the base model without any adapter.",
        ),
    ] = None


class ChatResponse(BaseModel):
    """An answer."""

    response: Annotated[str, Field(description="What the model says.")]
    model: Annotated[str, Field(description="Name of the BankingModel.")]
    adapter: Annotated[str | None, Field(description="Name of the adapter that answered; null: the base model.")]
    request_id: Annotated[str, Field(description="The same as in the header X-Request-ID and in the logs.")]


_ERRORS: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or not one that is known."},
    404: {"description": "There is no such adapter; `error.available` lists those there are."},
    408: {"description": "The body took too long to arrive."},
    413: {"description": "The body is too large."},
    422: {"description": "The body is not a question; `error.field` names the field."},
    502: {"description": "The model cannot be reached, or gave no usable answer."},
    503: {"description": "The adapter is not loaded yet, or the model is busy; see Retry-After."},
    504: {"description": "The model did not answer in time."},
}
# The scheme is here for the OpenAPI document; the check itself is the Authenticator's.
router = APIRouter(dependencies=[Security(HTTPBearer(auto_error=False))])


@router.post(
    PATH,
    responses={status: {**answer, "model": ErrorBody} for status, answer in _ERRORS.items()},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ChatRequest.model_json_schema()}},
        }
    },
)
async def chat(request: Request) -> ChatResponse:
    """Ask the assistant one question."""
    record: RequestRecord = request.state.record
    deps: Deps = request.app.state.deps
    record.route = PATH
    record.caller = (await deps.authenticator.authenticate(request.headers.raw)).name
    question = parse_question(await read_body(request))
    use_default = "adapter" not in question.model_fields_set
    target = select_target(deps.desired.current, deps.desired.superseded, question.adapter, use_default)
    record.adapter, record.served_name = target.adapter, target.model
    started = time.perf_counter()
    try:
        prompt = Prompt((Turn("user", question.message),), request.app.state.config.max_tokens)
        work = deps.engine.complete(target, prompt, record.request_id, field="message")
        answer = await until_disconnected(request.receive, work)
    finally:
        record.upstream_seconds = time.perf_counter() - started
    record.served_name = answer.model
    return ChatResponse(
        response=answer.text, model=request.app.state.config.name, adapter=target.adapter, request_id=record.request_id
    )


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
    field = str(problem["loc"][0])[:64]
    if problem["type"] == "extra_forbidden":
        return ApiError(422, "unknown_field", "There is no such field. Known: message, adapter.", field=field)
    return ApiError(422, "invalid_field", problem["msg"] + ".", field=field)
