"""Puts the parts together: signing in and out, the health check, and Gradio's page behind the door."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import gradio as gr
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from banktuner_ui.answers import GatewayError
from banktuner_ui.chat import ChatPage
from banktuner_ui.client import Gateway
from banktuner_ui.door import Door
from banktuner_ui.sessions import LIFE_SECONDS, Sessions
from banktuner_ui.settings import Settings
from banktuner_ui.style import CSS, login_page, theme

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")


def create_app(settings: Settings) -> Door:
    """The application. Raises SettingsError where its certificates cannot be read."""
    gateway = Gateway(settings.gateway_url, settings.tls())
    sessions = Sessions(settings.secure_cookie)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await gateway.close()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    _add_signing_in(app, settings, gateway, sessions)
    app.add_api_route("/healthz", healthz)
    page = ChatPage(settings.title, gateway, sessions)
    gr.mount_gradio_app(
        app, page.blocks, path="/", footer_links=[], run_history=False, show_error=False, ssr_mode=False,
        enable_monitoring=False, pwa=False, mcp_server=False, theme=theme(), css=CSS,
    )  # fmt: skip
    return Door(app, sessions)


async def healthz() -> Response:
    """Whether the process works. It does not depend on the gateway."""
    return JSONResponse({"alive": True})


def _add_signing_in(app: FastAPI, settings: Settings, gateway: Gateway, sessions: Sessions) -> None:
    @app.get("/login")
    async def show() -> Response:
        return HTMLResponse(login_page(settings.title))

    @app.post("/login")
    async def login(token: Annotated[str, Form()] = "") -> Response:
        token = token.strip()
        status, problem = await check(gateway, token)
        if problem:
            return HTMLResponse(login_page(settings.title, problem), status)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            sessions.cookie, sessions.begin(token), max_age=LIFE_SECONDS, path="/",
            secure=settings.secure_cookie, httponly=True, samesite="strict",
        )  # fmt: skip
        return answer

    @app.get("/logout")
    async def logout(request: Request) -> Response:
        # another site's link cannot do this: its request comes without the cookie
        sessions.end(request.cookies)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(sessions.cookie, secure=settings.secure_cookie, httponly=True, samesite="strict")
        return answer


async def check(gateway: Gateway, token: str) -> tuple[int, str]:
    """Status and sentence why the token does not open the page; the sentence is empty where it does."""
    unknown = 401, "The assistant does not know this token. Check that you have copied the whole of it."
    if not _TOKEN.fullmatch(token):
        return unknown
    try:
        await gateway.models(token)
    except GatewayError as error:
        if error.status == 401:
            return unknown
        request = f" Request {error.problem.request_id}." if error.problem.request_id else ""
        return 502, f"{error.problem.message}{request} Try again in a moment."
    return 200, ""
