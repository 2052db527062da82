"""Work queue: one worker a key at a time, coalesced, fair between namespaces, slower for keys that fail."""

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from random import uniform

from banktuner_operator.cluster.client import ApiError
from banktuner_operator.cluster.reconcile import Key

log = logging.getLogger(__name__)
FIRST_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 60.0
MIN_INTERVAL_SECONDS = 0.2
"""A key is worked on at most this often, however many events it gets."""

Work = Callable[[Key], Awaitable[float | None]]


class WorkQueue:
    """`add` wakes a key; `run` works until cancelled."""

    def __init__(self, work: Work, workers: int, resync_seconds: float) -> None:
        """`work` returns the seconds after which the key wants another look (None: none)."""
        self._work = work
        self._workers = workers
        self._resync = resync_seconds
        self._ready: OrderedDict[str, deque[Key]] = OrderedDict()
        self._waiting: set[Key] = set()
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._wake = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, key: Key) -> None:
        """Something about this object may have changed."""
        if key in self._active:
            self._again.add(key)
            return
        if key in self._failures and key in self._timers:
            return  # it is being backed off: an event does not shorten that
        self._cancel(key)
        self._push(key)

    def add_later(self, key: Key, seconds: float) -> None:
        """Wake a key after some time, unless something wakes it earlier."""
        self._cancel(key)
        loop = asyncio.get_running_loop()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._cancel(key)
        self._failures.pop(key, None)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._worker())

    @property
    def failing(self) -> int:
        """How many keys failed at their last attempt."""
        return len(self._failures)

    def _due(self, key: Key) -> None:
        self._timers.pop(key, None)
        if key in self._active:
            self._again.add(key)
        else:
            self._push(key)

    def _cancel(self, key: Key) -> None:
        timer = self._timers.pop(key, None)
        if timer:
            timer.cancel()

    def _push(self, key: Key) -> None:
        if key in self._waiting:
            return
        self._waiting.add(key)
        self._ready.setdefault(key.namespace, deque()).append(key)
        task = asyncio.get_running_loop().create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._wake:
            self._wake.notify()

    async def _next(self) -> Key:
        async with self._wake:
            while not self._ready:
                await self._wake.wait()
            namespace, keys = self._ready.popitem(last=False)
            key = keys.popleft()
            if keys:
                self._ready[namespace] = keys  # behind the other namespaces
            self._waiting.discard(key)
            self._active.add(key)
            return key

    async def _worker(self) -> None:
        while True:
            key = await self._next()
            try:
                delay = await self._work(key)
            except Exception as error:  # one bad object never delays others
                delay = self._failed(key, error)
            else:
                self._failures.pop(key, None)
            self._active.discard(key)
            self._plan_next(key, delay)

    def _failed(self, key: Key, error: Exception) -> float:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        delay = min(FIRST_BACKOFF_SECONDS * 2.0**count, MAX_BACKOFF_SECONDS)
        words = "%s %s/%s: next attempt in %.1f s: %s"
        # What the API server says needs no traceback; anything else is a mistake of ours.
        trace = None if isinstance(error, ApiError) else error
        log.error(words, key.kind, key.namespace, key.name, delay, error, exc_info=trace)
        return delay

    def _plan_next(self, key: Key, delay: float | None) -> None:
        again = key in self._again
        self._again.discard(key)
        if again and key not in self._failures:
            self.add_later(key, MIN_INTERVAL_SECONDS)
        elif delay is not None:
            self.add_later(key, delay if key in self._failures else min(delay, self._jittered()))

    def _jittered(self) -> float:
        return self._resync * uniform(0.8, 1.2)
