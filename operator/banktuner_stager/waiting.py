"""Waits for an object store that is out of reach, and says so while it waits."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from banktuner_api.exit_codes import ExitCode
from banktuner_stager.errors import StagerError, invalid_config
from banktuner_stager.store import Kind, StoreError

FIRST_DELAY = 1.0
LONGEST_DELAY = 15.0
UNAVAILABLE = "ObjectStoreUnavailable"
DENIED = "ObjectStoreDenied"

_Value = TypeVar("_Value")


class Tell(Protocol):
    """Told a reason, "" while nothing is wrong, a message, and the seconds left of the work where they are known."""

    def __call__(self, reason: str, message: str, left_seconds: int | None = None, /) -> None: ...


def next_delay(delay: float) -> float:
    """Exponential backoff in seconds, at most LONGEST_DELAY."""
    return min(delay * 2, LONGEST_DELAY)


def give_up(error: StoreError, uri: str, spec_field: str) -> StagerError:
    """What a store error means where nobody waits for it to be mended."""
    if error.kind is Kind.NO_BUCKET:
        message = f"{spec_field}: {uri} names a bucket that does not exist: create it or mend the URI"
        return StagerError(ExitCode.OBJECT_NOT_FOUND, "ObjectNotFound", message, spec_field)
    if error.kind is Kind.NOT_FOUND:
        message = f"{spec_field}: there is nothing at {uri}: upload it or mend the URI"
        return StagerError(ExitCode.OBJECT_NOT_FOUND, "ObjectNotFound", message, spec_field)
    if error.kind is Kind.DENIED:
        message = (
            f"{spec_field}: access to {uri} was denied ({error.detail}): check the keys in the Secret,"
            " and that they may list, read and (for the output) write there"
        )
        return StagerError(ExitCode.ACCESS_DENIED, "AccessDenied", message, spec_field)
    if error.kind is Kind.REJECTED:
        message = (
            f"{spec_field}: the object store refused {uri} ({error.detail}): check AWS_REGION and AWS_ENDPOINT_URL"
        )
        return invalid_config(message, spec_field)
    message = f"{spec_field}: the object store of {uri} does not answer ({error.detail})"
    return StagerError(ExitCode.OBJECT_STORE_UNAVAILABLE, UNAVAILABLE, message, spec_field)


@dataclass(frozen=True)
class Patience:
    """How long to wait for a store that does not answer, in seconds, and whom to tell.

    `forever_for` are kinds of error that are waited for without end: what somebody can mend while the pod waits.
    """

    tell: Tell
    limit: float = 300.0
    forever_for: frozenset[Kind] = field(default_factory=frozenset)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def run(self, call: Callable[[], _Value], uri: str, spec_field: str) -> _Value:
        """The value of `call`, tried again while the store is away. Raises StagerError naming `spec_field`."""
        started, delay = self.clock(), FIRST_DELAY
        while True:
            try:
                return call()
            except StoreError as error:
                if not self._worth_waiting(error, self.clock() - started):
                    raise give_up(error, uri, spec_field) from error
                self.tell(_reason(error), f"{give_up(error, uri, spec_field).message}. Trying again.")
            self.sleep(delay)
            delay = next_delay(delay)

    def _worth_waiting(self, error: StoreError, waited: float) -> bool:
        return error.kind in self.forever_for or (error.kind is Kind.UNAVAILABLE and waited < self.limit)


def _reason(error: StoreError) -> str:
    return DENIED if error.kind is Kind.DENIED else UNAVAILABLE
