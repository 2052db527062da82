"""Forgetting what was said: one conversation, or all of a caller."""

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.record import Erasure
from banktuner_gateway.deps import Deps
from banktuner_gateway.errors import ErrorBody
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.pipeline.trace import audit_unavailable
from banktuner_gateway.routes import documented
from banktuner_gateway.routes.entry import enter

PATH = "/api/v1/conversations"
ALL = "*"
router = documented.callers_router()


class Erased(BaseModel):
    """How many conversations there were."""

    erased: int


@router.delete(
    PATH + "/{conversation_id}",
    status_code=204,
    responses=documented.errors(ErrorBody, 401, 404, 429, 503),
    openapi_extra=documented.path_parameter("conversation_id"),
)
async def forget(request: Request) -> Response:
    """Forget one conversation of the caller's."""
    conversation_id = request.path_params["conversation_id"]
    record, deps, caller = await enter(request, PATH)
    await deps.conversations.delete(caller.name, conversation_id)
    await _record(deps, record, conversation_id)
    return Response(status_code=204)


@router.delete(PATH, response_model=Erased, responses=documented.errors(ErrorBody, 401, 429, 503))
async def forget_all(request: Request) -> JSONResponse:
    """Forget every conversation of the caller's, and tell how many there were."""
    record, deps, caller = await enter(request, PATH)
    count = await deps.conversations.erase(caller.name)
    await _record(deps, record, ALL)
    return JSONResponse({"erased": count})


async def _record(deps: Deps, record: RequestRecord, conversation: str) -> None:
    """Erased it is all the same; the caller learns that nothing tells of it yet and asks again."""
    try:
        await deps.audit.append(Erasure(request_id=record.request_id, caller=record.caller, conversation=conversation))
    except AuditUnavailableError:
        raise audit_unavailable() from None
