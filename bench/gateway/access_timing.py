"""Whether the time of a refusal tells how near a guessed token came (G2).

Pairs of wrong tokens, one with all but the last character right and one with none, are asked about by turns. Without a
signal the nearer one takes longer in half of the pairs. A comparison that leaks stands beside it, to show what a signal
looks like here.
"""

import asyncio
import hashlib
import random
import secrets
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from banktuner_gateway.access.caller import Headers
from banktuner_gateway.access.tokens import TokenStore
from banktuner_gateway.errors import ApiError
from bench.rows import Measurement, Row, Settings

PAIRS = 10_000
RUNS = 3
BAR = 0.02
"""Of the share's distance from one half: four standard deviations of what chance does with so many pairs."""

Check = Callable[[bytes], Awaitable[None]]


def headers(token: bytes) -> Headers:
    """Headers of a request."""
    return [(b"authorization", b"Bearer " + token)]


async def distance(check: Check, right: bytes) -> float:
    """|share of pairs in which the nearer guess took longer - 1/2|, 0 to 0.5."""
    longer = 0.0
    for _ in range(PAIRS):
        near, far = right[:-1] + b"_", secrets.token_hex(len(right) // 2).encode()[:-1] + b"_"
        guesses = [near, far]
        random.shuffle(guesses)
        taken = {guess: await _nanoseconds(check, guess) for guess in guesses}
        longer += 0.5 if taken[near] == taken[far] else taken[near] > taken[far]
    return abs(longer / PAIRS - 0.5)


async def _nanoseconds(check: Check, guess: bytes) -> int:
    started = time.perf_counter_ns()
    await check(guess)
    return time.perf_counter_ns() - started


def _store_check(folder: Path, right: bytes) -> Check:
    for number in range(5):
        (folder / f"caller-{number}").write_text(hashlib.sha256(secrets.token_bytes()).hexdigest())
    (folder / "teller").write_text(hashlib.sha256(right).hexdigest())
    store = TokenStore(folder)

    async def check(guess: bytes) -> None:
        try:
            await store.authenticate(headers(guess))
        except ApiError:
            return
        raise AssertionError("a wrong token was let in")

    return check


def _leaky_check(right: bytes) -> Check:
    async def check(guess: bytes) -> None:
        for expected, given in zip(right, guess, strict=True):
            if expected != given:
                return

    return check


async def _measured() -> tuple[list[float], float]:
    right = secrets.token_hex(32).encode()
    with tempfile.TemporaryDirectory() as folder:
        check = _store_check(Path(folder), right)
        runs = [await distance(check, right) for _ in range(RUNS)]
    return runs, await distance(_leaky_check(right), right)


def measure(_: Settings) -> list[Row]:
    """The worst of the runs."""
    runs, leaky = asyncio.run(_measured())
    peer = f"a comparison that stops at the first difference: {leaky:.3f}"
    return [Row("auth_prefix_signal", max(runs), "share", BAR, peer, runs, lower_is_better=True)]


MEASUREMENTS = (Measurement(("auth_prefix_signal",), measure),)
