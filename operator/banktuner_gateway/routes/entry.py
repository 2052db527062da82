"""What every route of a caller begins with: who asks, whether it may now, and which model is to answer."""

from collections.abc import Callable

from fastapi import Request

from banktuner_api.serving import DesiredAdapter, DesiredState
from banktuner_gateway.access.caller import Caller
from banktuner_gateway.access.rules import require_access
from banktuner_gateway.deps import Deps
from banktuner_gateway.errors import ApiError
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.targets import Target

Select = Callable[[DesiredState | None, dict[str, DesiredAdapter]], Target]


async def enter(request: Request, path: str) -> tuple[RequestRecord, Deps, Caller]:
    """Holds one of the caller's places until the answer is sent. Raises ApiError 401, 429."""
    record: RequestRecord = request.state.record
    deps: Deps = request.app.state.deps
    record.route = path
    caller = await deps.authenticator.authenticate(request.headers.raw)
    record.caller = caller.name
    # Before anything of the request is read: what is refused later costs work and a record too.
    quota = await record.held.enter_async_context(deps.limiter.admit(caller.name))
    record.headers.update(quota.headers)
    return record, deps, caller


async def allowed_target(record: RequestRecord, deps: Deps, caller: Caller, select: Select, field: str) -> Target:
    """What `select` finds, if the caller may use it. Raises ApiError 403, 404, 503."""
    try:
        target = select(deps.desired.current, deps.desired.superseded)
    except ApiError:
        await deps.desired.ask_again()
        target = select(deps.desired.current, deps.desired.superseded)
    state = deps.desired.current
    record.adapter, record.served_name = target.adapter, target.model
    adapters = [item.name for item in state.adapters] if state else []
    require_access(caller, target.adapter, adapters, deps.rules, field=field)
    return target
