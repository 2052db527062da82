"""A small HTTP server that speaks the gateway's API, and servers run in threads."""

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

TOKEN, OTHER_TOKEN = "teller-token-4711", "auditor-token-0815"
MODELS = ["assistant", "assistant-base", "card-support", "loans"]
SOURCES = [
    {"number": 1, "document": "cards.md", "title": "Cards", "section": "Lost and stolen cards", "score": 0.8231},
    {"number": 2, "document": "fees.md", "title": "Fees", "section": "", "score": 0.5},
]


class ContractGateway:
    """What it answers can be set; what it was asked is in `asked` and `deleted`.

    While `pieces_gate` is closed, a stream waits after its first piece.
    """

    def __init__(self) -> None:
        self.tokens = {TOKEN, OTHER_TOKEN}
        self.asked: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.pieces = ["Freeze the card ", "in the **app**, then ", "order a new one [1]."]
        self.base_pieces = ["Call ", "your bank."]
        self.answer: dict[str, Any] = {}
        self.refusal: Response | None = None
        self.stream_error: dict[str, Any] | None = None
        self.broken_off = False
        self.pieces_gate = threading.Event()
        self.pieces_gate.set()
        self.disconnected = threading.Event()
        self.app = FastAPI()
        self.app.add_api_route("/v1/models", self._models)
        self.app.add_api_route("/api/v1/chat/", self._chat, methods=["POST"])
        self.app.add_api_route("/api/v1/conversations/{key}", self._delete, methods=["DELETE"])

    def _unknown(self, request: Request) -> Response | None:
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.tokens:
            return self.refusal
        return problem(401, "unauthorized", "Send a known token.")

    async def _models(self, request: Request) -> Response:
        return self._unknown(request) or JSONResponse({"object": "list", "data": [{"id": name} for name in MODELS]})

    async def _delete(self, request: Request, key: str) -> Response:
        if refusal := self._unknown(request):
            return refusal
        self.deleted.append(key)
        return Response(status_code=204)

    async def _chat(self, request: Request) -> Response:
        if refusal := self._unknown(request):
            return refusal
        body = await request.json()
        self.asked.append(body)
        return StreamingResponse(self._events(body), media_type="text/event-stream")

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[str]:
        base = "adapter" in body and body["adapter"] is None
        pieces = self.base_pieces if base else self.pieces
        try:
            for number, piece in enumerate(pieces):
                if number:
                    while not self.pieces_gate.is_set():
                        await anyio.sleep(0.01)
                yield event("piece", {"text": piece})
        except anyio.get_cancelled_exc_class():
            self.disconnected.set()
            raise
        if self.stream_error:
            yield event("error", {"error": self.stream_error})
        elif not self.broken_off:
            yield event("answer", self._whole(body, "".join(pieces), base))

    def _whole(self, body: dict[str, Any], text: str, base: bool) -> dict[str, Any]:
        # A refusal begins no conversation and ends none.
        begun = None if self.answer.get("refused") else "conversation-base" if base else "conversation-1"
        return {
            "response": text,
            "model": "BankingAssistant-v1.0",
            "adapter": None if base else body.get("adapter", "card-support"),
            "conversation_id": body.get("conversation_id") or begun,
            "intent": {"label": "card_lost", "confidence": 0.974},
            "sources": [] if base else SOURCES,
            "refused": False,
            "request_id": "4449239603e246dd",
            **self.answer,
        }


def event(name: str, data: dict[str, Any]) -> str:
    """As it goes over the wire."""
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def problem(status: int, code: str, message: str, **headers: str) -> Response:
    """An error of the gateway."""
    body = {"error": {"code": code, "message": message, "request_id": "req-77"}}
    return JSONResponse(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """The application on a free port of this machine, in a thread; the URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listening.close()
