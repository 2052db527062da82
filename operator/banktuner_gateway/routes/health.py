"""Probes and metrics. They need no token and tell nothing about customers."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import JSONResponse, PlainTextResponse

from banktuner_gateway.deps import Deps

router = APIRouter()


class Readiness(BaseModel):
    """`reasons` say why it is not ready; `warnings` are to be mended, but questions are answered."""

    ready: bool
    reasons: list[str] = []
    warnings: list[str] = []


class Liveness(BaseModel):
    """Whether the process works."""

    alive: bool


@router.get("/healthz", response_model=Liveness, responses={503: {"model": Liveness, "description": "Restart it."}})
async def healthz(request: Request) -> Response:
    """Whether the process works. It does not depend on the engine."""
    request.state.record.route = "/healthz"
    deps: Deps = request.app.state.deps
    return JSONResponse({"alive": deps.desired.alive}, 200 if deps.desired.alive else 503)


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(request: Request) -> Response:
    """Whether questions can be answered, and if not, why."""
    request.state.record.route = "/readyz"
    readiness = await _readiness(request.app.state.deps, holds=request.app.state.config.hold_seconds > 0)
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """Prometheus text."""
    request.state.record.route = "/metrics"
    deps: Deps = request.app.state.deps
    return Response(generate_latest(deps.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _readiness(deps: Deps, holds: bool) -> Readiness:
    """Where questions wait for the engine, its absence must not take the gateway out of its Service."""
    usable = deps.authenticator.usable
    reasons, warnings = ([], list(deps.authenticator.problems)) if usable else (list(deps.authenticator.problems), [])
    if deps.retriever is not None and deps.retriever.problem:
        warnings.append(f"documents: {deps.retriever.problem}")
    if deps.desired.current is None:
        reasons.append("desired state: neither the agent API nor desired.json gave one")
    problem = (await deps.engine.health()).problem
    if problem:
        (warnings if holds else reasons).append(problem)
    if not deps.audit.healthy:
        reasons.append("audit: records cannot be kept, so nothing is served")
    unkept = await deps.conversations.problem()
    if unkept:
        reasons.append(f"conversations: {unkept}")
    return Readiness(ready=not reasons, reasons=reasons, warnings=warnings)
