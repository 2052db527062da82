"""What a client of the OpenAI API is told: whole completions, pieces of a stream, models, errors. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from banktuner_gateway.engine.messages import Delta, Usage
from banktuner_gateway.errors import ApiError
from banktuner_gateway.pipeline.messages import Reply

DONE = b"data: [DONE]\n\n"
_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def completion(request_id: str, created: int, model: str, reply: Reply) -> dict[str, Any]:
    """The body of a whole answer; `created` in seconds since 1970, `model` as the client asked for it."""
    message = {"role": "assistant", "content": reply.text}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [choice],
        "usage": reply.usage.model_dump(),
        "sources": [vars(one) for one in reply.sources],
    }


class Chunks:
    """Makes the events of one stream."""

    def __init__(self, request_id: str, created: int, model: str, include_usage: bool) -> None:
        self._head = {
            "id": f"chatcmpl-{request_id}",
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
        }
        self._include_usage = include_usage

    def first(self) -> bytes:
        """Tells who speaks."""
        return self._event({"role": "assistant", "content": ""}, None)

    def piece(self, delta: Delta) -> bytes:
        """One event; empty where the delta has nothing for the client."""
        if not delta.text and delta.finish_reason is None:
            return b""
        return self._event({"content": delta.text} if delta.text else {}, delta.finish_reason)

    def last(self, usage: Usage) -> bytes:
        """The usage where it was asked for, and the end."""
        if not self._include_usage:
            return DONE
        return _line(self._head | {"choices": [], "usage": usage.model_dump()}) + DONE

    def _event(self, delta: dict[str, Any], finish_reason: str | None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return _line(self._head | {"choices": [choice]})


def models(ids: Sequence[str], owner: str, created: int) -> dict[str, Any]:
    """The body of GET /v1/models."""
    return {"object": "list", "data": [model(one, owner, created) for one in ids]}


def model(identifier: str, owner: str, created: int) -> dict[str, Any]:
    """The body of GET /v1/models/{id}."""
    return {"id": identifier, "object": "model", "created": created, "owned_by": owner}


def error(problem: ApiError, request_id: str) -> dict[str, Any]:
    """An error in the form that the clients of this API read; `code` is ours."""
    kind = _TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    told = {"message": problem.message, "type": kind, "param": problem.field, "code": problem.code}
    return {"error": told | {"request_id": request_id}}


def error_event(problem: ApiError, request_id: str) -> bytes:
    """The end of a stream that failed."""
    return _line(error(problem, request_id))


def _line(content: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(content, ensure_ascii=False).encode() + b"\n\n"
