"""What becomes of work whose client goes away, and of a task that is cancelled while it watches for that."""

import asyncio
from typing import Any

import pytest

from banktuner_gateway.connection import until_disconnected
from banktuner_gateway.errors import ApiError


class Client:
    """Its body is sent; it leaves when `leaves` is set."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.leaves.wait()
        return {"type": "http.disconnect"}


class Work:
    """Ends when it may, and tells how it ended."""

    def __init__(self) -> None:
        self.may_end = asyncio.Event()
        self.cancelled = False

    async def __call__(self) -> str:
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            # as a question's record is kept: with further steps of the loop
            await asyncio.sleep(0)
            self.cancelled = True
            raise
        return "done"


async def begun() -> tuple[Work, Client, "asyncio.Task[str]"]:
    """A request that waits for its work."""
    work, client = Work(), Client()

    async def answered() -> str:
        try:
            said = await until_disconnected(client.receive, work())
        except ApiError as problem:
            task = asyncio.current_task()
            assert task is not None and task.cancelling() == 0
            said = f"{problem.status} {problem.code}"
        # The answer is sent: nothing may end the task any more.
        await steps()
        return said

    request = asyncio.create_task(answered())
    await steps()
    return work, client, request


async def others() -> set["asyncio.Task[Any]"]:
    await steps()
    return asyncio.all_tasks() - {asyncio.current_task()}


async def steps() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_the_result_is_there_and_nobody_watches_any_more() -> None:
    work, _, request = await begun()
    work.may_end.set()
    assert await request == "done"
    assert await others() == set()


async def test_work_is_cancelled_when_its_client_goes_away() -> None:
    work, client, request = await begun()
    client.leaves.set()
    assert await request == "499 client_disconnected"
    assert work.cancelled
    assert await others() == set()


@pytest.mark.parametrize("first", ["client", "work"])
async def test_both_at_once_is_one_or_the_other(first: str) -> None:
    work, client, request = await begun()
    for event in [client.leaves, work.may_end] if first == "client" else [work.may_end, client.leaves]:
        event.set()
    assert await request in ("done", "499 client_disconnected")
    assert await others() == set()


@pytest.mark.parametrize("client_too", [False, True])
async def test_whoever_cancels_the_request_cancels_the_work(client_too: bool) -> None:
    work, client, request = await begun()
    request.cancel()
    if client_too:
        client.leaves.set()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert work.cancelled
    assert await others() == set()
