from collections.abc import AsyncIterator

import pytest

from banktuner_ui.events import Event, read_events


async def lines(text: str) -> AsyncIterator[str]:
    for line in text.split("\n"):
        yield line


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("event: piece\ndata: {}\n\n", [Event("piece", "{}")]),
        ("event:piece\ndata:a\ndata: b\n\n", [Event("piece", "a\nb")]),
        (": comment\nid: 4\nretry: 9\ndata: x\n\n", [Event("message", "x")]),
        ("event: piece\n\ndata: x\n\n", [Event("message", "x")]),
        ("data: a: b\n\ndata: cut off", [Event("message", "a: b")]),
        ("data\n\n", [Event("message", "")]),
    ],
)
async def test_events(text: str, events: list[Event]) -> None:
    assert [event async for event in read_events(lines(text))] == events
