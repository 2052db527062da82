"""A failed step of an adapter: what is told of it, and when it is tried again."""

from dataclasses import dataclass

from banktuner_api.bankingmodel import AdapterState
from banktuner_api.exit_codes import ExitCode
from banktuner_stager.engine import EngineBusyError, EngineDownError, EngineError, EngineFailedError
from banktuner_stager.errors import StagerError

FIRST_DELAY = 2.0
LONGEST_WAIT = 15.0
"""Seconds between tries while something is away that comes back by itself."""
LONGEST_HOLD = 120.0
"""Seconds between tries of what somebody must mend."""
CRASH_HOLD = 120.0
"""First pause after the engine broke over an adapter: long enough to start again and serve the others."""
LONGEST_CRASH_HOLD = 3600.0


@dataclass(frozen=True)
class Trouble:
    """`until` is on the monotonic clock; `delay` the pause that ends then, in seconds."""

    state: AdapterState
    reason: str
    message: str
    delay: float
    until: float


def trouble_of(error: Exception, before: Trouble | None, now: float) -> Trouble:
    """What an error of one step means. Of an unexpected one only the type's name is told."""
    passing, reason, message = _meaning(error)
    first, longest = FIRST_DELAY, LONGEST_WAIT if passing else LONGEST_HOLD
    if isinstance(error, EngineFailedError):
        first, longest = CRASH_HOLD, LONGEST_CRASH_HOLD
    delay = first if before is None else min(max(before.delay * 2, first), longest)
    state = AdapterState.WAITING if passing else AdapterState.FAILED
    return Trouble(state, reason, message, delay, now + delay)


def _meaning(error: Exception) -> tuple[bool, str, str]:
    if isinstance(error, StagerError):
        return error.exit_code is ExitCode.OBJECT_STORE_UNAVAILABLE, error.reason, error.message
    if isinstance(error, EngineError):
        return isinstance(error, EngineDownError | EngineBusyError), error.reason, str(error)
    return False, "Internal", f"unexpected {type(error).__name__}"
