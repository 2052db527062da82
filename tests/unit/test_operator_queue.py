"""The work queue: one worker a key, coalesced, fair, and slower for keys that fail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise

import pytest

from banktuner_operator.cluster import queue as queue_module
from banktuner_operator.cluster.queue import WorkQueue
from banktuner_operator.cluster.reconcile import Key


def key(name: str, namespace: str = "bank") -> Key:
    return Key("FineTuneJob", namespace, name)


@contextlib.asynccontextmanager
async def running(
    work: Callable[[Key], Awaitable[float | None]], workers: int = 1, resync: float = 60
) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(work, workers, resync)
    task = asyncio.create_task(queue.run())
    yield queue
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds, and then a little for what must not come after it."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "FIRST_BACKOFF_SECONDS", 0.05)
    monkeypatch.setattr(queue_module, "MIN_INTERVAL_SECONDS", 0.01)


async def test_events_are_coalesced() -> None:
    seen: list[Key] = []

    async def work(found: Key) -> None:
        seen.append(found)

    async with running(work) as queue:
        for _ in range(100):
            queue.add(key("a"))
        await until(lambda: bool(seen))
    assert seen == [key("a")]


async def test_an_event_during_work_is_not_lost_and_not_parallel() -> None:
    started = asyncio.Event()
    active = most = count = 0

    async def work(_: Key) -> None:
        nonlocal active, most, count
        active, count = active + 1, count + 1
        most = max(most, active)
        started.set()
        await asyncio.sleep(0.02)
        active -= 1

    async with running(work, workers=4) as queue:
        queue.add(key("a"))
        await started.wait()
        queue.add(key("a"))
        queue.add(key("a"))
        await until(lambda: count >= 2)
    assert (most, count) == (1, 2)


async def test_namespaces_take_turns() -> None:
    seen: list[str] = []

    async def work(found: Key) -> None:
        seen.append(found.namespace)

    async with running(work) as queue:
        for index in range(50):
            queue.add(key(f"a{index}", "loud"))
        queue.add(key("b", "quiet"))
        await until(lambda: len(seen) >= 51)
    assert "quiet" in seen[:3] and len(seen) == 51


async def test_a_failing_key_backs_off_and_others_go_on() -> None:
    tried: list[float] = []
    others = 0
    loop = asyncio.get_running_loop()

    async def work(found: Key) -> None:
        nonlocal others
        if found.name == "bad":
            tried.append(loop.time())
            raise RuntimeError("broken")
        others += 1

    async with running(work) as queue:
        queue.add(key("bad"))
        for _ in range(20):
            queue.add(key("good"))
            queue.add(key("bad"))  # an event does not shorten the wait
            await asyncio.sleep(0.02)
        assert queue.failing == 1
    assert others >= 10
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    waits = [queue_module.FIRST_BACKOFF_SECONDS * 2**count for count in range(len(gaps))]
    assert len(gaps) >= 2
    assert all(gap >= wait for gap, wait in zip(gaps, waits, strict=True))


async def test_a_key_that_recovers_is_no_longer_failing() -> None:
    calls = 0

    async def work(_: Key) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("once")

    async with running(work) as queue:
        queue.add(key("a"))
        await until(lambda: calls >= 2)
        assert (calls, queue.failing) == (2, 0)


async def test_a_key_asks_for_another_look() -> None:
    calls = 0

    async def work(_: Key) -> float | None:
        nonlocal calls
        calls += 1
        return 0.03 if calls < 3 else None

    async with running(work) as queue:
        queue.add(key("a"))
        await until(lambda: calls >= 3)
    assert calls == 3


async def test_resync_bounds_what_a_key_asks_for() -> None:
    calls = 0

    async def work(_: Key) -> float:
        nonlocal calls
        calls += 1
        return 3600

    async with running(work, resync=0.05) as queue:
        queue.add(key("a"))
        await until(lambda: calls >= 3)


async def test_a_forgotten_key_is_not_looked_at_again() -> None:
    calls = 0

    async def work(_: Key) -> float:
        nonlocal calls
        calls += 1
        return 0.03

    async with running(work) as queue:
        queue.add(key("a"))
        while not queue._timers:  # its next look is planned
            await asyncio.sleep(0)
        queue.forget(key("a"))
        await asyncio.sleep(0.1)
    assert calls == 1
