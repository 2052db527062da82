"""Typed errors: what a caller is told, and nothing about what lies behind the gateway."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from starlette.responses import JSONResponse

_NAME = re.compile(r"[A-Za-z_-]{1,40}[0-9]{0,2}")


class ErrorDetail(BaseModel):
    """`code` is stable and for programs, `message` is for people; `field` is the body's field to mend."""

    code: str
    message: str
    field: str | None = None
    available: list[str] | None = None
    request_id: str


class ErrorBody(BaseModel):
    """Body of every answer that is not a success."""

    error: ErrorDetail


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        available: list[str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.available = available
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """The JSON."""
        detail = ErrorDetail(
            code=self.code,
            message=self.message,
            field=self.field,
            available=self.available,
            request_id=request_id,
        )
        return ErrorBody(error=detail).model_dump(exclude_none=True)

    def response(self, request_id: str) -> JSONResponse:
        """The answer on the wire."""
        return JSONResponse(self.body(request_id), self.status, self.headers)


def told_field(path: Iterable[int | str]) -> str | None:
    """Of a field's place in the body as much as may be repeated: what is no name may be a card's number."""
    told: list[str] = []
    for part in path:
        if isinstance(part, str) and not _NAME.fullmatch(part):
            break
        told.append(str(part))
    return ".".join(told) or None


def retry_later(code: str, message: str, seconds: int) -> ApiError:
    """503 with Retry-After, for what mends itself."""
    return ApiError(503, code, message, headers={"Retry-After": str(seconds)})


def from_http_exception(status: int, headers: Mapping[str, str] | None) -> ApiError:
    """The framework's own refusals (unknown path, wrong verb) in our shape."""
    code, message = {
        404: ("not_found", "There is no such path. See /openapi.json."),
        405: ("method_not_allowed", "This path does not take this method. See /openapi.json."),
    }.get(status, ("bad_request", "The request could not be understood."))
    return ApiError(status, code, message, headers=headers)


def internal_error() -> ApiError:
    """500, for what nobody expected."""
    return ApiError(500, "internal_error", "Something went wrong in the gateway.")


def client_disconnected() -> ApiError:
    """499, for the log only: nobody is there to read it."""
    return ApiError(499, "client_disconnected", "The client went away.")
