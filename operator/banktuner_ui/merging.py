"""Several streams read at once, as the side by side mode needs it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import TypeVar

Item = TypeVar("Item")
PAUSE_SECONDS = 0.05
"""Between two looks at what has come: a page is drawn anew at most twenty times a second."""


async def batches(
    streams: Sequence[AsyncGenerator[Item, None]], wanted: Callable[[], bool]
) -> AsyncGenerator[list[tuple[int, Item]], None]:
    """What has come since the last batch, each item with its stream's index, until all streams have ended or
    nobody wants them any more.

    A stream's error is raised when all have ended. Closing this iterator closes every stream, and waits until that is
    done.
    """
    arrived: asyncio.Queue[tuple[int, Item]] = asyncio.Queue()
    tasks = [asyncio.create_task(_collect(index, stream, arrived)) for index, stream in enumerate(streams)]
    try:
        running = True
        while running and wanted():
            await asyncio.wait(tasks, timeout=PAUSE_SECONDS)
            # before what has come is taken: the rest comes while a batch is drawn, and needs a turn of its own
            running = not all(task.done() for task in tasks)
            if batch := _taken(arrived):
                yield batch
        if wanted():
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _collect(index: int, stream: AsyncGenerator[Item, None], arrived: "asyncio.Queue[tuple[int, Item]]") -> None:
    async with aclosing(stream):
        async for item in stream:
            arrived.put_nowait((index, item))


def _taken(arrived: "asyncio.Queue[tuple[int, Item]]") -> list[tuple[int, Item]]:
    return [arrived.get_nowait() for _ in range(arrived.qsize())]
