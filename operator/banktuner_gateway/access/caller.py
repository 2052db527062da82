"""Who calls: what every way of telling it gives (a Caller) and says (the same 401), and how a token is presented."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from banktuner_gateway.errors import ApiError

_SCHEME = b"bearer "

Headers = Iterable[tuple[bytes, bytes]]
"""Raw headers of a request, as ASGI gives them."""


@dataclass(frozen=True)
class Caller:
    """Somebody who is let in. `name` owns conversations and limits; `groups` open adapters."""

    name: str
    groups: frozenset[str]


class Authenticator(Protocol):
    """Tells who asks. Between `start` and `close`, in the event loop."""

    @property
    def problems(self) -> list[str]:
        """What is to be mended, for people; no names, because readiness tells it to everybody."""

    @property
    def usable(self) -> bool:
        """Whether anybody can be let in now."""

    def start(self) -> None:
        """Take up what callers are known by."""

    async def authenticate(self, headers: Headers) -> Caller:
        """The caller. Raises ApiError 401, the same for everything that is wrong."""

    async def close(self) -> None:
        """End what runs in the background."""


def unauthorized() -> ApiError:
    """401 without a hint at what was wrong."""
    return ApiError(
        401,
        "unauthorized",
        "A valid token is needed: Authorization: Bearer <token>.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def bearer_token(headers: Headers) -> bytes | None:
    """The token of the one Authorization header; None where there is none, more than one, or another scheme."""
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if len(values) != 1 or values[0][: len(_SCHEME)].lower() != _SCHEME:
        return None
    return values[0][len(_SCHEME) :].strip() or None
