"""Stands before Gradio: who may pass, which of its paths there are, how large a request is, what a page may load.

Gradio has paths for uploads, files, proxies and editing that this page does not use: what is not named here is not
there.
"""

import base64
import hashlib
import json
import re
import time
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from banktuner_ui.sessions import Page, Sessions

MAX_BODY_BYTES = 4 * 1024 * 1024
"""Of a page's event, which brings the conversation as the page shows it."""
_OPEN = {("GET", "/login"), ("POST", "/login"), ("GET", "/logout"), ("GET", "/healthz")}
_API = "/gradio_api"
_GET = re.compile(
    rf"/|/config|/favicon\.ico|/theme\.css|/assets/[\w./-]+|/static/[\w./-]+|{_API}/(startup-events|theme\.css|info)"
)
_ANSWERS = f"{_API}/queue/data"
_PAGE_GET = re.compile(rf"{_API}/queue/data|{_API}/heartbeat/(?P<page>\w+)")
_PAGE_POST = {f"{_API}/queue/join", f"{_API}/run/predict", f"{_API}/cancel", f"{_API}/reset"}
_SCRIPT = re.compile(rb"<script>(.*?)</script>|<script data-gradio-mode>(.*?)</script>", re.DOTALL)
_MANIFEST = b'<link rel="manifest" href="/manifest.json" />'
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
_POLICY = (
    "default-src 'none'; script-src 'self'{}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class Door:
    """ASGI middleware around everything."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app = app
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection of the server; no WebSockets."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        if scope["method"] == "POST":
            read = await _read(receive)
            if read is None:
                await _refused(413, "This is too long. Begin a new conversation.")(scope, receive, send)
                return
            body = read
            receive = _replayed(body, receive)
        refusal = self._refusal(scope, body)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif scope["path"] == "/" and scope["method"] == "GET":
            await self._main_page(scope, receive, send)
        elif scope["path"] == _ANSWERS:
            await self._answers(scope, receive, send)
        else:
            await self._app(scope, receive, _with_headers(send, _POLICY.format("")))

    def _refusal(self, scope: Scope, body: bytes) -> Response | None:
        """Why the request may not pass; None where it may."""
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if method == "POST" and not from_own_page(headers):
            return _refused(403, "This request does not come from this page.")
        if (method, path) in _OPEN:
            return None
        cookies = _cookies(headers)
        if self._sessions.find(cookies) is None:
            if (method, path) == ("GET", "/"):
                return RedirectResponse("/login", 303)
            return _refused(401, "You are signed out. Load the page again to sign in.")
        if method == "GET" and _GET.fullmatch(path):
            return None
        page_id = _page_of(scope, body)
        if page_id is None:
            return _refused(404, "There is nothing here.")
        if not self._sessions.owns(cookies, page_id):
            return _refused(403, "This page was opened in another browser. Load the page again.")
        return None

    async def _answers(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The stream of a page's answers. Gradio itself notices its end with the next piece only."""
        session, page_id = self._sessions.find(_cookies(Headers(scope=scope))), _page_of(scope, b"")
        page = session.pages[page_id] if session and page_id else Page()
        page.listening += 1
        try:
            await self._app(scope, receive, _with_headers(send, _POLICY.format("")))
        finally:
            page.listening -= 1
            page.listened = time.monotonic()

    async def _main_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio's page with a policy that lets its own scripts run and no other, not even in the page itself."""
        kept = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message = {}
        body = b""

        async def keep(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
            else:
                body += message.get("body", b"")

        await self._app({**scope, "headers": kept}, receive, keep)
        body = body.replace(_MANIFEST, b"")
        scripts = [first or second for first, second in _SCRIPT.findall(body)]
        hashes = "".join(f" 'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in scripts)
        guarded = _with_headers(send, _POLICY.format(hashes))
        MutableHeaders(scope=start)["Content-Length"] = str(len(body))
        await guarded(start)
        await guarded({"type": "http.response.body", "body": body})


def from_own_page(headers: Headers) -> bool:
    """Whether a browser says that a page of this very host sends the request."""
    if site := headers.get("sec-fetch-site"):
        return site == "same-origin"
    return urlsplit(headers.get("origin", "")).netloc == headers.get("host", "-")


def _page_of(scope: Scope, body: bytes) -> str | None:
    """The id of the page that a request of Gradio's is for; None for a path that is not there."""
    method, path = scope["method"], scope["path"]
    if method == "GET" and (found := _PAGE_GET.fullmatch(path)):
        return found["page"] or parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0] or None
    if method == "POST" and path in _PAGE_POST:
        try:
            page_id = json.loads(body).get("session_hash")
        except (ValueError, AttributeError):
            return None
        return page_id if isinstance(page_id, str) and 0 < len(page_id) <= 64 else None
    return None


def _cookies(headers: Headers) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(headers.get("cookie", "")).items()}
    except CookieError:
        return {}


async def _read(receive: Receive) -> bytes | None:
    body = b""
    while True:
        message = await receive()
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return body


def _replayed(body: bytes, receive: Receive) -> Receive:
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send, policy: str) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(_HEADERS)
            headers["Content-Security-Policy"] = policy
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return guarded


def _refused(status: int, message: str) -> Response:
    return JSONResponse({"detail": message}, status, {**_HEADERS, "Cache-Control": "no-store"})
