"""Puts the parts together: the FastAPI application, its middleware and its life span."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from banktuner_api import names
from banktuner_api.agent import AgentClient
from banktuner_api.serving import GatewayConfig
from banktuner_gateway.auth import TokenStore
from banktuner_gateway.desired import DesiredWatcher
from banktuner_gateway.engine import EngineClient
from banktuner_gateway.errors import ApiError, from_http_exception
from banktuner_gateway.limits import BodyLimit
from banktuner_gateway.observability import Metrics, RequestObserver, RequestRecord
from banktuner_gateway.routes import chat, health
from banktuner_gateway.settings import Settings


@dataclass(frozen=True)
class Deps:
    """What the routes work with; reachable as `request.app.state.deps`."""

    tokens: TokenStore
    desired: DesiredWatcher
    engine: EngineClient
    metrics: Metrics


def build_deps(settings: Settings) -> Deps:
    """The real parts for these settings; nothing is connected yet."""
    config = settings.config
    client = AgentClient(config.agent_url, settings.token_file, settings.config_dir / names.CA_KEY)
    desired = DesiredWatcher(client, config.namespace, config.name, settings.config_dir / names.DESIRED_KEY)
    return Deps(TokenStore(settings.tokens_dir), desired, EngineClient(config), Metrics())


def create_app(config: GatewayConfig, deps: Deps) -> FastAPI:
    """The application. Serving it starts the watcher and, at its end, closes the engine's connections."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        deps.desired.start()
        try:
            yield
        finally:
            deps.desired.stop()
            await deps.engine.close()

    # The documentation pages load their scripts from a public network, which a bank's browser may not reach.
    app = FastAPI(title=f"{config.name} banking assistant", lifespan=lifespan, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    app.state.config = config
    app.state.deps = deps
    app.add_middleware(BodyLimit)
    app.add_middleware(RequestObserver, metrics=deps.metrics)
    app.add_exception_handler(ApiError, _answer_api_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)
    app.include_router(chat.router)
    app.include_router(health.router)
    return app


def _record(request: Request) -> RequestRecord:
    record: RequestRecord = request.state.record
    return record


async def _answer_api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    record = _record(request)
    record.error_code = error.code
    return error.response(record.request_id)


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return await _answer_api_error(request, from_http_exception(error.status_code, error.headers))
