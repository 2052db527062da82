"""Server-Sent Events as the gateway sends them. Pure."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One event; `data` with the line ends between its data lines."""

    name: str
    data: str


async def read_events(lines: AsyncIterable[str]) -> AsyncIterator[Event]:
    """The events in `lines` (without their line ends). An event that the stream's end cuts off is left out.

    Fields other than event and data, and comments, have no meaning here:
    https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """
    name, data = "message", list[str]()
    async for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(name, "\n".join(data))
            name, data = "message", []
        elif field == "event":
            name = value
        elif field == "data":
            data.append(value)
