"""A real gateway on loopback before a real HTTP server that speaks the part of an engine's API that is used."""

import asyncio
import hashlib
import json
import threading
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn

from banktuner_api.serving import DesiredState, GatewayConfig
from banktuner_gateway.app import create_app
from banktuner_gateway.build import build_deps
from banktuner_gateway.engine.capacity import PATHS
from banktuner_gateway.server import server_config
from banktuner_gateway.settings import Settings

TOKEN = "correct-horse-battery-staple"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
CHAT = "/api/v1/chat/"
NO_SERVER = "https://127.0.0.1:9"
"""The discard port: nothing listens there."""


class Background:
    """An event loop in a thread, so that tests can be plain blocking clients."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = 30) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()


@dataclass
class Engine:
    """Answers `<model> says <message>`; `mode` makes it fail in one of the ways engines fail."""

    models: set[str] = field(default_factory=lambda: {"assistant", "card-support-aaaaaaaaaaaa"})
    mode: str = "ok"
    says: str | None = None
    """In place of what it says by itself."""
    healthy: bool = True
    length: int | None = None
    """Tokens of prompt and answer together, told at /v1/models; what has more is refused. A token has 4 characters."""
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when a client closed its connection before it had its answer."""
    port: int = 0

    def reset(self) -> None:
        """As new, on the same port."""
        self.models = {"assistant", "card-support-aaaaaaaaaaaa"}
        self.mode, self.says, self.healthy, self.length, self.requests = "ok", None, True, None, []
        self.asked, self.abandoned = threading.Event(), threading.Event()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["Engine"]:
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while line := await reader.readline():
                path = line.split()[1].decode()
                headers = await self._headers(reader)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if not await self._answer(path, headers, body, reader, writer):
                    break
        writer.close()

    async def _headers(self, reader: asyncio.StreamReader) -> dict[str, str]:
        headers = {}
        while (line := (await reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return headers

    async def _answer(self, path, headers, body, reader, writer) -> bool:
        if path == "/health":
            self._write(writer, 200 if self.healthy else 503, b"")
            return True
        if path in PATHS:
            known = self.length is not None and path == PATHS[0]
            self._write(writer, 200 if known else 404, vllm_models(self.length) if known else b"")
            return True
        question = json.loads(body)
        self.requests.append((headers, question))
        self.asked.set()
        if self.mode == "hang":
            if await reader.read(1) == b"":
                self.abandoned.set()
            return False
        if self.mode == "cut":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{")
            return False
        status, body = self._completion(question)
        if status == 200 and question.get("stream"):
            return await self._stream(json.loads(body), reader, writer)
        self._write(writer, status, body)
        await writer.drain()
        return True

    async def _stream(self, whole, reader, writer) -> bool:
        """Word by word, in chunks that break lines anywhere; the modes that begin with "stream" fail on the way."""
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in self._events(whole):
            if self.mode == "stream garbage":
                event = b"data: <html>secret-internal-host</html>\n\n"
            half = len(event) // 2
            for piece in (event[:half], event[half:]):
                writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
            if self.mode == "stream cut":
                return False
            if self.mode == "stream hang":
                if await reader.read(1) == b"":
                    self.abandoned.set()
                return False
        writer.write(b"0\r\n\r\n")
        return True

    def _events(self, whole) -> list[bytes]:
        words = whole["choices"][0]["message"]["content"].split(" ")
        pieces = [{"content": word if not number else f" {word}"} for number, word in enumerate(words)]
        events = [{"choices": [{"index": 0, "delta": piece, "finish_reason": None}]} for piece in pieces]
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {"prompt_tokens": 3, "completion_tokens": len(words), "total_tokens": 3 + len(words)}
        events.append({"choices": [], "usage": usage})
        return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [b"data: [DONE]\n\n"]

    def _completion(self, question: dict[str, Any]) -> tuple[int, bytes]:
        if self.mode == "not json":
            return 200, b"<html>secret-internal-host</html>"
        if self.mode == "no choices":
            return 200, b'{"choices": []}'
        if self.mode == "huge":
            return 200, b'{"choices": [{"message": {"content": "' + b"x" * 5_000_000 + b'"}}]}'
        if self.mode.isdigit():
            return int(self.mode), b'{"error": {"message": "Traceback in secret-internal-host"}}'
        tokens = sum(len(one["content"]) for one in question["messages"]) // 4 + question["max_tokens"]
        if self.length is not None and tokens > self.length:
            return 400, json.dumps({"error": {"message": f"maximum context length is {self.length} tokens"}}).encode()
        if question["model"] not in self.models:
            return 404, json.dumps({"error": {"message": f"The model `{question['model']}` does not exist."}}).encode()
        text = self.says or f"{question['model']} says {question['messages'][-1]['content']}"
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return 200, json.dumps({"object": "chat.completion", "choices": [choice]}).encode()

    def _write(self, writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nset-cookie: engine=1\r\n"
        head += f"content-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


def vllm_models(length: int | None) -> bytes:
    """/v1/models of vLLM: adapters have no length of their own."""
    card = {"object": "model", "created": 1, "owned_by": "vllm"}
    base = {**card, "id": "assistant", "root": "/work/model", "parent": None, "max_model_len": length}
    adapter = {**card, "id": "card-support-aaaaaaaaaaaa", "parent": "assistant", "max_model_len": None}
    return json.dumps({"object": "list", "data": [base, adapter]}).encode()


def events(text: str) -> list[tuple[str, dict]]:
    """(kind, data) of a stream, without comments."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if lines:
            found.append((lines["event"], json.loads(lines["data"])))
    return found


def adapter(name: str, digit: str) -> dict[str, Any]:
    digest = f"sha256:{digit * 64}"
    source = {"uri": f"s3://models/{name}", "digest": digest}
    return {"name": name, "servedName": f"{name}-{digit * 12}", "digest": digest, "source": source}


def canary(name: str, digit: str, percent: int) -> dict[str, Any]:
    return {**adapter(name, digit), "percent": percent}


def desired(revision: str = "r1", **changes: Any) -> DesiredState:
    state: dict[str, Any] = {
        "revision": revision,
        "namespace": "bank",
        "name": "assistant",
        "engine": "VLLM",
        "model": {"uri": "s3://models/base"},
        "adapters": [adapter("card-support", "a")],
        "defaultAdapter": "card-support",
        "maxRank": 64,
        "agentUrl": NO_SERVER,
    }
    return DesiredState.model_validate({**state, **changes})


def write_desired(directory: Path, state: DesiredState) -> None:
    beside = directory / "desired.json.new"
    beside.write_text(json.dumps(state.to_json()))
    beside.replace(directory / "desired.json")


def write_tokens(directory: Path, **tokens: str) -> None:
    """As the kubelet does it: a new folder behind the link ..data, swapped by a rename."""
    directory.mkdir(exist_ok=True)
    version = directory / f"..v{len(list(directory.glob('..v*')))}"
    version.mkdir()
    for caller, token in tokens.items():
        (version / caller).write_text(hashlib.sha256(token.encode()).hexdigest() + "\n")
    swap_data_link(directory, version)


def swap_data_link(directory: Path, version: Path) -> None:
    beside = directory / "..data_tmp"
    beside.symlink_to(version.name)
    beside.rename(directory / "..data")
    for entry_path in directory.iterdir():
        if not entry_path.name.startswith("..") and not (version / entry_path.name).exists():
            entry_path.unlink()
    for file in version.iterdir():
        link = directory / file.name
        if not link.is_symlink():
            link.symlink_to(f"..data/{file.name}")


def gateway_config(engine_port: int, **changes: Any) -> GatewayConfig:
    config = {
        "namespace": "bank",
        "name": "assistant",
        "engineUrl": f"http://127.0.0.1:{engine_port}",
        "agentUrl": NO_SERVER,
        "requestTimeoutSeconds": 20,
        "holdSeconds": 0,
        "maxTokens": 256,
        # So that an engine's messages are the test's own.
        "scope": {"systemPrompt": ""},
        "rateLimit": {"requestsPerMinute": 100_000, "burst": 10_000, "concurrency": 1000},
    }
    return GatewayConfig.model_validate({**config, **changes})


def settings(tmp_path: Path, config: GatewayConfig) -> Settings:
    return Settings(
        config=config,
        config_dir=tmp_path,
        tokens_dir=tmp_path / "tokens",
        token_file=tmp_path / "agent-token",
        secrets_dir=tmp_path / "secrets",
        work_dir=tmp_path / "work",
        audit_dir=tmp_path / "audit",
        host="127.0.0.1",
        port=0,
    )


@asynccontextmanager
async def serve_gateway(parts: Settings) -> AsyncIterator[str]:
    """The gateway as `python -m banktuner_gateway` serves it; gives its address."""
    config = server_config(create_app(parts.config, build_deps(parts)), parts)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        if serving.done():
            await serving
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
