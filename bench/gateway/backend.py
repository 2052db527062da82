"""An engine that answers at once: `python -m bench.gateway.backend PORT`. What is left of a request is others' time."""

import asyncio
import json
import sys
from typing import cast

import uvloop

CONTENT = "You can see the balance of your account in the app, under Accounts, or ask at any of our branches."
COMPLETION = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "assistant",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": CONTENT}, "finish_reason": "stop"},
        ],
        "usage": {"prompt_tokens": 12, "completion_tokens": 21, "total_tokens": 33},
    }
).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(COMPLETION) + COMPLETION
)
LENGTH = b"content-length:"


class Instant(asyncio.Protocol):
    """Reads requests by their Content-Length and answers each with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        """One answer a whole request."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end].lower()
            start = head.find(LENGTH)
            length = int(head[start + len(LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
            whole = end + 4 + length
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._transport.write(ANSWER)


async def serve(port: int) -> None:
    """Until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Instant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
