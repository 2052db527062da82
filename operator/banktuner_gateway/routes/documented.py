"""What the OpenAPI document tells of the routes beside their models: errors, streams, bodies that are read by hand."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.routing import request_response

_ERRORS = {
    401: "No token, or not one that is known.",
    403: "This adapter is not open to the caller; `available` lists those that are.",
    404: "There is no such adapter, model or conversation.",
    408: "The body took too long to arrive.",
    409: "Another question of this conversation is being answered.",
    413: "The body is too large.",
    422: "The body is not a question; the error names the field.",
    429: "Too many requests; see Retry-After.",
    502: "The model cannot be reached, or gave no usable answer.",
    503: "Something that every answer needs does not work now; see Retry-After.",
    504: "The model did not answer in time.",
}
QUESTION = tuple(_ERRORS)
"""All that can become of a question."""


class DirectRoute(APIRoute):
    """Described by the framework, called without it: the route takes the request and checks it in its own order."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **described: Any) -> None:
        """See APIRoute."""
        super().__init__(path, endpoint, **described)
        self.app = request_response(endpoint)


def callers_router() -> APIRouter:
    """For routes of callers with a token. The scheme is the document's; the check itself is the authenticator's."""
    return APIRouter(route_class=DirectRoute, dependencies=[Security(HTTPBearer(auto_error=False))])


def errors(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that are no success, all of which have the form of `model`."""
    return {status: {"description": _ERRORS[status], "model": model} for status in statuses}


def streamed(description: str, *events: str) -> dict[int | str, dict[str, Any]]:
    """The other form of a success: server-sent events of these names (none: they have no name), data in JSON."""
    schema: dict[str, Any] = {"type": "object", "required": ["data"], "properties": {"data": {"type": "string"}}}
    if events:
        schema["properties"]["event"] = {"enum": list(events)}
    return {200: {"description": description, "content": {"text/event-stream": {"schema": schema}}}}


def body(model: type[BaseModel]) -> dict[str, Any]:
    """The operation's body, for routes that ask who calls before they read it."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    content = {"application/json": {"schema": _inlined(schema, definitions)}}
    return {"requestBody": {"required": True, "content": content}}


def path_parameter(name: str) -> dict[str, Any]:
    """A text of the path that the route itself judges: declared to the framework it would promise an answer 422."""
    return {"parameters": [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}}]}


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    """Without references: those of pydantic lead nowhere within an OpenAPI document."""
    if isinstance(part, list):
        return [_inlined(item, definitions) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined(definitions[part["$ref"].rpartition("/")[2]], definitions)
    return {name: _inlined(value, definitions) for name, value in part.items()}
