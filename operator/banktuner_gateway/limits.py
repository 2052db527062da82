"""ASGI middleware that bounds a request body in bytes and in time, whatever its headers declare."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from banktuner_gateway.errors import ApiError

MAX_BODY_BYTES = 128 * 1024
"""8,000 characters of twelve bytes each (two escaped surrogates), and room for the rest."""
BODY_SECONDS = 10.0
"""How long a client may take to send its body."""


class BodyLimit:
    """Raises ApiError 413 or 408 out of `receive`, so that the route's own error handling answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; other kinds of scope pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _CountedBody(receive, send)
        await self._app(scope, body.receive, body.send)


class _CountedBody:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        self._size = 0
        self._complete = False

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            raise ApiError(408, "body_timeout", "The body took too long to arrive.") from None
        self._size += len(message.get("body", b""))
        if self._size > MAX_BODY_BYTES:
            raise ApiError(413, "body_too_large", f"The body may have at most {MAX_BODY_BYTES} bytes.")
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        # A connection whose request was not read to its end cannot carry another one, and an endless body
        # would be read for ever.
        if message["type"] == "http.response.start" and not self._complete:
            message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
        await self._send(message)
