"""How much a caller may ask: requests a minute with a burst (GCRA), and requests at the same time.

The limits are those of this process: each replica of a gateway counts for itself, and the headers say so.
"""

import math
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from banktuner_api.gateway import RateLimit
from banktuner_gateway.errors import ApiError

MAX_CALLERS = 100_000
"""Callers counted at the same time, about 30 MB. Beyond them new ones are refused: forgetting one lifts its limit."""
_SLACK_SECONDS = 1e-6
"""What rounding may take away from a request that comes exactly when it may."""
_POLICY = '"per-replica"'
_LOOKS = 2
"""Callers looked at for idleness with each request; with 2 at least as many idle ones go as new ones come."""


@dataclass(slots=True)
class _Usage:
    full_at: float
    """When all of the burst is there again: the theoretical arrival time of GCRA."""
    running: int = 0


@dataclass(frozen=True)
class Quota:
    """What is left to a caller after a request that was let in."""

    remaining: int
    """Requests that may come at once."""
    reset_seconds: int
    """Until the whole burst is there again."""
    policy: str

    @property
    def headers(self) -> dict[str, str]:
        """For the answer: draft-ietf-httpapi-ratelimit-headers-10."""
        return {
            "RateLimit-Policy": self.policy,
            "RateLimit": f"{_POLICY};r={self.remaining};t={self.reset_seconds}",
        }


class RateLimiter:
    """Counts requests of each caller. On a monotonic clock: a changed wall clock neither opens nor shuts anything."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 60 / limit.requests_per_minute
        self._burst_seconds = limit.burst * self._interval
        self._concurrency = limit.concurrency
        self._clock = clock
        self._usage: OrderedDict[str, _Usage] = OrderedDict()
        self._policy = f"{_POLICY};q={limit.burst};w={math.ceil(self._burst_seconds)}"

    @property
    def callers(self) -> int:
        """How many callers are remembered."""
        return len(self._usage)

    @asynccontextmanager
    async def admit(self, caller: str) -> AsyncIterator[Quota]:
        """Holds one of the caller's slots until the end. Nobody waits for one: raises ApiError 429 `rate_limited`
        with Retry-After at once, and a refused request uses nothing up."""
        now = self._clock()
        usage = self._usage_of(caller, now)
        if usage.running >= self._concurrency:
            raise self._too_many(usage, now, 1, f"At most {self._concurrency} requests at the same time.")
        wait = max(usage.full_at, now) + self._interval - self._burst_seconds - now
        if wait > _SLACK_SECONDS:
            raise self._too_many(usage, now, max(1, math.ceil(wait)), "Too many requests.")
        usage.full_at = max(usage.full_at, now) + self._interval
        usage.running += 1
        try:
            yield self._quota(usage, now)
        finally:
            usage.running -= 1

    def _usage_of(self, caller: str, now: float) -> _Usage:
        self._forget_idle(now)
        usage = self._usage.get(caller)
        if usage is None:
            if len(self._usage) >= MAX_CALLERS:
                raise ApiError(
                    429, "rate_limited", "Too many callers at the same time. Try again.", headers={"Retry-After": "1"}
                )
            usage = self._usage[caller] = _Usage(now)
        return usage

    def _forget_idle(self, now: float) -> None:
        # Who has no request running and all of its burst is as good as unknown. Like the hand of a clock, each request
        # looks at the next few callers, so that no request pays for all.
        for _ in range(min(_LOOKS, len(self._usage))):
            name, usage = next(iter(self._usage.items()))
            if usage.running == 0 and usage.full_at <= now:
                del self._usage[name]
            else:
                self._usage.move_to_end(name)

    def _quota(self, usage: _Usage, now: float) -> Quota:
        used = max(0.0, usage.full_at - now)
        remaining = math.floor((self._burst_seconds - used + _SLACK_SECONDS) / self._interval)
        return Quota(max(0, remaining), math.ceil(used), self._policy)

    def _too_many(self, usage: _Usage, now: float, seconds: int, message: str) -> ApiError:
        headers = {"Retry-After": str(seconds), **self._quota(usage, now).headers}
        return ApiError(429, "rate_limited", f"{message} Try again after Retry-After seconds.", headers=headers)
