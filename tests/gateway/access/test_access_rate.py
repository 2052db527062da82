"""Rate and concurrency of each caller (G5): bursts, many callers, clocks, restarts, and how much is remembered."""

import asyncio
import math
import time
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api.gateway import RateLimit
from banktuner_gateway.access import rate
from banktuner_gateway.access.rate import RateLimiter
from banktuner_gateway.errors import ApiError

LIMIT = RateLimit(requests_per_minute=60, burst=3, concurrency=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def refusal(limiter: RateLimiter, caller: str = "teller") -> ApiError | None:
    """Asks once, and is done at once."""
    try:
        async with limiter.admit(caller):
            return None
    except ApiError as error:
        return error


async def test_a_burst_then_the_rate_with_retry_after(clock):
    limiter = RateLimiter(LIMIT, clock)
    assert [await refusal(limiter) for _ in range(3)] == [None] * 3
    error = await refusal(limiter)
    assert (error.status, error.code) == (429, "rate_limited")
    assert error.headers == {
        "Retry-After": "1",
        "RateLimit-Policy": '"per-replica";q=3;w=3',
        "RateLimit": '"per-replica";r=0;t=3',
    }
    clock.now += 0.999
    assert (await refusal(limiter)).headers["Retry-After"] == "1"
    clock.now += 0.001
    assert await refusal(limiter) is None
    assert await refusal(limiter) is not None


async def test_retry_after_is_whole_seconds_rounded_up(clock):
    limiter = RateLimiter(RateLimit(requests_per_minute=7, burst=1), clock)
    assert await refusal(limiter) is None
    seconds = int((await refusal(limiter)).headers["Retry-After"])
    assert seconds == math.ceil(60 / 7)
    clock.now += seconds
    assert await refusal(limiter) is None


async def test_what_is_left_is_told_with_each_answer(clock):
    limiter = RateLimiter(LIMIT, clock)
    async with limiter.admit("teller") as quota:
        assert quota.headers == {"RateLimit-Policy": '"per-replica";q=3;w=3', "RateLimit": '"per-replica";r=2;t=1'}
    clock.now += 0.5
    async with limiter.admit("teller") as quota:
        assert (quota.remaining, quota.reset_seconds) == (1, 2)


async def test_one_caller_does_not_touch_another(clock):
    limiter = RateLimiter(LIMIT, clock)
    for _ in range(50):
        await refusal(limiter, "greedy")
    assert await refusal(limiter, "greedy") is not None
    assert [await refusal(limiter, "modest") for _ in range(3)] == [None] * 3


async def test_slots_are_held_freed_and_never_waited_for(clock):
    limiter = RateLimiter(RateLimit(requests_per_minute=60_000, burst=1000, concurrency=2), clock)
    async with AsyncExitStack() as held:
        await held.enter_async_context(limiter.admit("teller"))
        await held.enter_async_context(limiter.admit("teller"))
        error = await refusal(limiter)
        assert (error.status, error.code, error.headers["Retry-After"]) == (429, "rate_limited", "1")
        assert await refusal(limiter, "mobile") is None
    assert await refusal(limiter) is None


async def test_what_the_slots_refuse_costs_nothing_of_the_rate(clock):
    limiter = RateLimiter(RateLimit(requests_per_minute=1, burst=2, concurrency=1), clock)
    async with limiter.admit("teller"):
        assert [(await refusal(limiter)).status for _ in range(5)] == [429] * 5
    assert await refusal(limiter) is None


async def test_a_long_stream_saves_up_no_more_than_a_burst(clock):
    limiter = RateLimiter(RateLimit(requests_per_minute=60, burst=3, concurrency=100), clock)
    async with limiter.admit("teller"):
        clock.now += 3600
        assert sum([await refusal(limiter) is None for _ in range(50)]) == 3


@pytest.mark.parametrize("end", [RuntimeError, asyncio.CancelledError])
async def test_a_slot_is_freed_however_a_request_ends(clock, end):
    limiter = RateLimiter(RateLimit(burst=10, concurrency=1), clock)
    with pytest.raises(end):
        async with limiter.admit("teller"):
            raise end
    assert await refusal(limiter) is None


async def test_the_wall_clock_has_no_say(monkeypatch):
    limiter = RateLimiter(RateLimit(requests_per_minute=1, burst=1))
    assert await refusal(limiter) is None
    monkeypatch.setattr(time, "time", lambda: 4e9)
    assert await refusal(limiter) is not None
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert await refusal(limiter, "other") is None


async def test_a_restart_gives_one_burst_and_no_more(clock):
    first, second = RateLimiter(LIMIT, clock), RateLimiter(LIMIT, clock)
    admitted = [await refusal(limiter) is None for limiter in [first] * 9 + [second] * 9]
    assert sum(admitted) == 2 * LIMIT.burst


async def test_idle_callers_are_forgotten_and_busy_ones_are_not(clock):
    limiter = RateLimiter(LIMIT, clock)
    async with limiter.admit("streaming"):
        for number in range(5000):
            await refusal(limiter, f"caller {number}")
            clock.now += 1
            # Each is idle after a second.
            assert limiter.callers <= 4
        clock.now += 3600
        async with limiter.admit("streaming"):
            assert (await refusal(limiter, "streaming")).status == 429


async def test_beyond_the_bound_strangers_are_refused_and_known_callers_are_not(clock, monkeypatch):
    monkeypatch.setattr(rate, "MAX_CALLERS", 100)
    limiter = RateLimiter(LIMIT, clock)
    answers = [await refusal(limiter, f"caller {number}") for number in range(150)]
    assert [answer is None for answer in answers] == [True] * 100 + [False] * 50
    assert answers[-1].headers["Retry-After"] == "1"
    assert limiter.callers == 100
    assert await refusal(limiter, "caller 7") is None
    clock.now += 4
    assert await refusal(limiter, "caller 149") is None


limits = st.builds(
    RateLimit,
    requests_per_minute=st.integers(1, 1_000_000),
    burst=st.integers(1, 50),
    concurrency=st.just(10_000),
)
steps = st.lists(st.one_of(st.just(0.0), st.floats(-5, 120, allow_nan=False), st.floats(0, 0.01)), max_size=80)


def _admitted(limit: RateLimit, moves: list[float], held: bool) -> list[tuple[float, ApiError | None]]:
    """When each request came and what it got; with `held` the first one lasts, so that its caller is never idle."""

    async def ask() -> list[tuple[float, ApiError | None]]:
        clock = Clock()
        limiter = RateLimiter(limit, clock)
        answers: list[tuple[float, ApiError | None]] = []
        async with AsyncExitStack() as lasting:
            if held:
                await lasting.enter_async_context(limiter.admit("teller"))
                answers.append((clock.now, None))
            for move in moves:
                clock.now += move
                answers.append((clock.now, await refusal(limiter)))
        return answers

    return asyncio.run(ask())


@given(limit=limits, moves=steps, held=st.booleans())
def test_never_more_than_the_burst_and_the_rate_in_any_window(limit, moves, held):
    """Also with a clock that is set back: no window of the requests that were let in holds more."""
    times = [at for at, error in _admitted(limit, moves, held) if error is None]
    for start in range(len(times)):
        for end in range(start, len(times)):
            window = times[start : end + 1]
            allowed = limit.burst + (max(window) - min(window)) * limit.requests_per_minute / 60
            assert len(window) <= allowed + 0.1


@given(limit=limits, moves=st.lists(st.floats(0, 30), max_size=80), held=st.booleans())
def test_as_much_as_a_bucket_of_tokens_lets_through(limit, moves, held):
    """The same decisions as the plain bucket, but where it holds one token to within rounding."""
    tokens, last = float(limit.burst), 1000.0
    for at, error in _admitted(limit, moves, held):
        tokens = min(limit.burst, tokens + (at - last) * limit.requests_per_minute / 60)
        last = at
        if abs(tokens - 1) > 0.1:
            assert (error is None) == (tokens > 1)
        tokens -= error is None


@given(limit=limits, moves=steps)
def test_after_retry_after_a_request_is_let_in(limit, moves):
    async def ask() -> None:
        clock = Clock()
        limiter = RateLimiter(limit, clock)
        for move in moves:
            clock.now += max(move, 0)
            error = await refusal(limiter)
            if error is not None:
                clock.now += int(error.headers["Retry-After"])
                assert await refusal(limiter) is None

    asyncio.run(ask())
