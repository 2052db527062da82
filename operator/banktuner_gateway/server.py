"""How uvicorn serves the application, and bounds on a request's head, which uvicorn has none for."""

import asyncio
import json
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from banktuner_gateway.settings import Settings

MAX_HEAD_BYTES = 2 * 1024 * 1024
"""Above a megabyte, so that an absurd token gets the same 401 as any other wrong one."""
HEAD_SECONDS = 10.0
"""How long a client may take to send a request's line and headers, on a new connection from its opening on."""
GRACEFUL_SHUTDOWN_SECONDS = 25
"""Below Kubernetes' default termination grace of 30 s."""
KEEP_ALIVE_SECONDS = 75
"""Above the idle time of usual clients and proxies: then it is they who close, never in the middle of a request."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection; where a head takes too long or is too large, an error is the answer and the connection ends."""

    _timer: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head's time begins."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """No time runs any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what belongs to a head; a body has its own bound."""
        self._head_bytes += len(data) if self._timer else 0
        super().data_received(data)
        if self._timer and self._head_bytes > MAX_HEAD_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", "The headers are too large.")

    def on_message_begin(self) -> None:
        """Another head on a connection that is kept alive."""
        super().on_message_begin()
        if self._timer is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        """In time."""
        self._head_is_here()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's name, and it calls with it
        """What is no HTTP, in our form."""
        self._refuse(HTTPStatus.BAD_REQUEST, "bad_request", "This is not HTTP/1.1.")

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._timer = self.loop.call_later(HEAD_SECONDS, self._too_late)

    def _head_is_here(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "head_timeout", "The headers took too long to arrive.")

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        self._head_is_here()
        body = json.dumps({"error": {"code": code, "message": message}}).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(STATUS_LINE[status] + head + body)
        self.transport.close()


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """One process, one event loop of uvloop, llhttp's parser."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_SECONDS,
    )
