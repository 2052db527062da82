"""Asks the gateway, for one caller at a time: the token is an argument, never kept here."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from banktuner_ui.answers import Answer, Choice, ErrorBody, GatewayError, Models, Piece, Problem
from banktuner_ui.events import Event, read_events

TIMEOUT = httpx.Timeout(connect=5.0, write=10.0, pool=5.0, read=180.0)
"""`read` is between two pieces: above the time that the gateway gives its engine."""
_Body = TypeVar("_Body", bound=BaseModel)


class Gateway:
    """The HTTP API of one gateway. Every method raises GatewayError; no message of it has customers' text."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        # trust_env off: a .netrc would replace the caller's token, a proxy would see it
        self._http = httpx.AsyncClient(base_url=url, verify=tls, timeout=TIMEOUT, trust_env=False)

    async def close(self) -> None:
        """Ends its connections."""
        await self._http.aclose()

    async def models(self, token: str) -> list[str]:
        """The ids of what can be asked, the assistant itself first."""
        async with self._response("GET", "/v1/models", token) as response:
            return [model.id for model in _parse(Models, await response.aread()).data]

    async def ask(
        self, token: str, message: str, choice: Choice, conversation_id: str | None
    ) -> AsyncGenerator[Piece | Answer, None]:
        """Pieces of the answer, at last the whole of it. Closing the iterator ends the request."""
        body: dict[str, object] = {"message": message, "stream": True, **choice.fields()}
        if conversation_id is not None:
            body["conversation_id"] = conversation_id
        async with self._response("POST", "/api/v1/chat/", token, body) as response:
            async for event in read_events(response.aiter_lines()):
                item = _understood(event)
                if item is not None:
                    yield item
                if isinstance(item, Answer):
                    return
        raise GatewayError(Problem(code="stream_ended", message="The answer broke off before its end."))

    async def forget(self, token: str, conversation_id: str) -> None:
        """Delete a conversation; one that the gateway does not know any more is deleted already."""
        try:
            async with self._response("DELETE", f"/api/v1/conversations/{quote(conversation_id, safe='')}", token):
                pass
        except GatewayError as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise

    @asynccontextmanager
    async def _response(
        self, method: str, path: str, token: str, body: dict[str, object] | None = None
    ) -> AsyncIterator[httpx.Response]:
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._http.stream(method, path, headers=headers, json=body) as response:
                if not response.is_success:
                    raise _refusal(response, await response.aread())
                yield response
        except httpx.TimeoutException:
            raise GatewayError(Problem(code="timeout", message="The assistant took too long to answer.")) from None
        except httpx.HTTPError:
            raise GatewayError(Problem(code="unreachable", message="The assistant cannot be reached.")) from None


def _understood(event: Event) -> Piece | Answer | None:
    if event.name == "piece":
        return _parse(Piece, event.data)
    if event.name == "answer":
        return _parse(Answer, event.data)
    if event.name == "error":
        raise GatewayError(_parse(ErrorBody, event.data).error)
    return None


def _refusal(response: httpx.Response, body: bytes) -> GatewayError:
    seconds = response.headers.get("Retry-After", "")
    retry_after = int(seconds) if seconds.isascii() and seconds.isdigit() else None
    try:
        problem = ErrorBody.model_validate_json(body).error
    except ValidationError:
        # a proxy's page, not the gateway's answer: what it says is not for the reader
        message = f"The assistant cannot answer now (status {response.status_code})."
        problem = Problem(code="unknown", message=message)
    problem.request_id = problem.request_id or response.headers.get("X-Request-ID")
    return GatewayError(problem, response.status_code, retry_after)


def _parse(kind: type[_Body], body: bytes | str) -> _Body:
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        message = "The assistant gave an answer that this page cannot read."
        raise GatewayError(Problem(code="unreadable", message=message)) from None
