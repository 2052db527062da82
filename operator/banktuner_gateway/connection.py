"""The client's end of a connection: its body, its leaving, and answers that are sent piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from banktuner_gateway.errors import ApiError, client_disconnected

T = TypeVar("T")
Events = AbstractAsyncContextManager[AsyncIterator[bytes]]


async def read_body(request: Request) -> bytes:
    """Raises ApiError 408, 413, or 499 when the client went away before its body was complete."""
    try:
        return await request.body()
    except ClientDisconnect:
        raise client_disconnected() from None


async def until_disconnected(receive: Receive, work: Awaitable[T]) -> T:
    """The result of `work`, which is cancelled when the client goes away. Raises ApiError 499 then."""
    task = asyncio.current_task()
    assert task is not None
    working, left = True, False

    def leave(_: asyncio.Task[None]) -> None:
        nonlocal left
        left = working and task.cancel()

    # The work is done in this task, not in one more: every change of tasks is a round of the loop.
    leaving = asyncio.create_task(_disconnected(receive))
    leaving.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left and task.uncancel() == 0:
            raise client_disconnected() from None
        raise
    finally:
        working = False
        leaving.cancel()


class EventStream(Response):
    """Server-sent events. What fails before the first one is an error like any other; later it is the last event.

    starlette's own streams answer 200 before the engine was asked, and in another task than the one that asks.
    """

    media_type = "text/event-stream"

    def __init__(self, events: Events, failed: Callable[[ApiError], bytes]) -> None:
        """`events`: the bytes of one or more events each; `failed`: the event that tells of an error."""
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._failed = failed
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # as ASGI has it
        """Send until the end, or until the client goes away."""
        try:
            await until_disconnected(receive, self._send(send))
        except ApiError as problem:
            if not self._started:
                raise
            # Only a client that left: nobody is there to be told, but the record is.
            self._failed(problem)

    async def _send(self, send: Send) -> None:
        try:
            async with self._events as events:
                async for event in events:
                    await self._send_event(send, event)
        except ApiError as problem:
            if not self._started:
                raise
            await self._send_event(send, self._failed(problem))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_event(self, send: Send, event: bytes) -> None:
        if not self._started:
            self._started = True
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": event, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
