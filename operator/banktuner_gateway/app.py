"""Puts the parts together: the FastAPI application, its middleware and its life span."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from banktuner_api.serving import GatewayConfig
from banktuner_gateway.deps import Deps
from banktuner_gateway.errors import ApiError, from_http_exception, internal_error
from banktuner_gateway.limits import BodyLimit
from banktuner_gateway.observability import RequestObserver, RequestRecord
from banktuner_gateway.openai import responses
from banktuner_gateway.pipeline.trace import keep_denial
from banktuner_gateway.routes import chat, completions, conversations, docs, heads, health

OPENAI_PREFIX = "/v1/"
AUDITED = frozenset((chat.PATH, completions.COMPLETIONS, completions.MODELS, conversations.PATH))


def create_app(config: GatewayConfig, deps: Deps) -> FastAPI:
    """The application. Serving it starts the watcher and, at its end, closes the engine's connections."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await _start(deps)
        try:
            yield
        finally:
            await _stop(deps)

    app = FastAPI(title=f"Banking assistant {config.name}", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.state.config = config
    app.state.deps = deps
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestObserver, metrics=deps.metrics, audited=partial(_audit, deps, internal_error()))
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.include_router(chat.router)
    app.include_router(completions.router)
    app.include_router(conversations.router)
    app.include_router(heads.router)
    app.include_router(health.router)
    app.include_router(docs.router)
    app.mount(docs.PATH, docs.FILES)
    return app


async def _start(deps: Deps) -> None:
    deps.authenticator.start()
    deps.desired.start()
    await deps.audit.start()
    if deps.retriever is not None:
        await asyncio.to_thread(deps.retriever.start)


async def _stop(deps: Deps) -> None:
    deps.desired.stop()
    if deps.retriever is not None:
        deps.retriever.stop()
    await deps.engine.close()
    await deps.authenticator.close()
    await deps.conversations.close()
    await deps.denials.stop()
    # The last of all: it tells what the others did.
    await deps.audit.stop()


def _record(request: Request) -> RequestRecord:
    record: RequestRecord = request.state.record
    return record


async def _audit(deps: Deps, problem: ApiError, record: RequestRecord) -> None:
    if record.route in AUDITED:
        await keep_denial(deps.audit, deps.denials, record, problem)


async def _answer_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    record = _record(request)
    record.error_code = error.code
    await _audit(request.app.state.deps, error, record)
    if request.url.path.startswith(OPENAI_PREFIX):
        return JSONResponse(responses.error(error, record.request_id), error.status, error.headers)
    return error.response(record.request_id)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _answer_api_error(request, from_http_exception(error.status_code, error.headers))
