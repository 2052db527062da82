"""Asks a server over and over: `python -m bench.gateway.client` with a JSON `Load` on standard input.

It prints the latencies as a JSON list, in milliseconds. A process of its own, so that what it computes is not the
server's time.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import uvloop


@dataclass(frozen=True)
class Load:
    """`rate`: requests a second over all connections, evenly; 0: each connection asks again as soon as it can.

    At a rate, a latency counts from the moment that the request was due, so that a slow server cannot hide.
    """

    port: int
    path: str
    body: str
    connections: int
    requests: int
    rate: float = 0
    headers: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """What the process reads."""
        return json.dumps(asdict(self))

    def request(self) -> bytes:
        """The bytes of one."""
        lines = [f"POST {self.path} HTTP/1.1", "host: bench", "content-type: application/json"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        body = self.body.encode()
        return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode() + body


async def measure(load: Load) -> list[float]:
    """Latencies in milliseconds, in the order of the answers. Raises RuntimeError at the first that is no 200."""
    numbers = iter(range(load.requests))
    began = time.perf_counter() + 0.05
    latencies: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
        for number in numbers:
            due = began + number / load.rate if load.rate else time.perf_counter()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(load.request())
            await _read_answer(reader)
            latencies.append((time.perf_counter() - due) * 1000)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(load.connections)))
    return latencies


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(f"{head.splitlines()[0].decode()}: {body[:200].decode()}")


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(Load(**json.load(sys.stdin))))))
