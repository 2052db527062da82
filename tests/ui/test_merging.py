import asyncio
from collections.abc import AsyncGenerator

import pytest

from banktuner_ui.merging import batches


async def test_what_comes_while_a_batch_is_shown_is_not_lost() -> None:
    """A slow browser: the stream ends before its first piece is drawn."""
    first_is_here, ended = asyncio.Event(), asyncio.Event()

    async def stream() -> AsyncGenerator[str, None]:
        yield "first"
        await first_is_here.wait()
        yield "last"
        ended.set()

    got: list[str] = []
    async for batch in batches([stream()], lambda: True):
        got += [item for _, item in batch]
        first_is_here.set()
        await ended.wait()
        for _ in range(10):
            await asyncio.sleep(0)
    assert got == ["first", "last"]


async def test_streams_that_nobody_wants_are_closed() -> None:
    closed = asyncio.Event()
    seen: list[object] = []

    async def stream() -> AsyncGenerator[str, None]:
        try:
            while True:
                yield "piece"
                await asyncio.sleep(0)
        finally:
            closed.set()

    async for batch in batches([stream()], lambda: not seen):
        seen.append(batch)
    assert closed.is_set()


async def test_an_error_is_raised_after_what_came_before_it() -> None:
    async def stream() -> AsyncGenerator[str, None]:
        yield "piece"
        raise RuntimeError("broken")

    got: list[str] = []
    with pytest.raises(RuntimeError, match="broken"):
        async for batch in batches([stream()], lambda: True):
            got += [item for _, item in batch]
    assert got == ["piece"]
