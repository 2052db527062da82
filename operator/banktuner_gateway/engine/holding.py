"""Questions that wait for an engine that is not there: which failures are waited out, how long, and by how many."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from banktuner_gateway.errors import ApiError, retry_later

T = TypeVar("T")
MAX_HELD = 128
"""Questions at a time, each with its prompt in memory: at most about 30 MB."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
"""Between two attempts: at most 128 a second reach an engine that is just starting."""
RETRY_SECONDS = 5


class EngineAwayError(Exception):
    """The engine took nothing of a question, so it may be asked again. `problem`: what the caller is told at last."""

    def __init__(self, problem: ApiError) -> None:
        super().__init__(problem.code)
        self.problem = problem


class Hold:
    """Of one process. `seconds` 0: nothing waits."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._held = 0

    async def until_taken(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` gives, tried again while it raises EngineAwayError and there is time; nothing else is tried again.

        Raises ApiError: the last problem when the time is over, 503 at once when too many wait already.
        """
        try:
            return await ask()
        except EngineAwayError as away:
            problem = away.problem
        if self._seconds == 0:
            raise problem
        with self._place():
            return await self._again(ask, problem)

    async def _again(self, ask: Callable[[], Awaitable[T]], problem: ApiError) -> T:
        now = asyncio.get_running_loop().time
        end, pause = now() + self._seconds, FIRST_PAUSE_SECONDS
        while (left := end - now()) > 0:
            await asyncio.sleep(min(pause * random.uniform(0.5, 1.0), left))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            try:
                return await ask()
            except EngineAwayError as away:
                problem = away.problem
        raise problem

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._held >= MAX_HELD:
            raise retry_later("engine_unavailable", "Too many questions wait for the model. Try again.", RETRY_SECONDS)
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
