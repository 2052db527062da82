"""vLLM's side of the adapter contract over real HTTP: /health, /v1/models, load, unload, completions.

Behaves as vLLM does: a folder that is no adapter, a name that is loaded already and an unknown name are errors.
"""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.ports import free_port


class VllmServer:
    """`calls` records (verb, adapter) in order; names in `refuse` cannot be loaded, those in `fatal` end the engine."""

    def __init__(self, base_model: str) -> None:
        self.base_model = base_model
        self.port = free_port()
        self.adapters: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.refuse: set[str] = set()
        self.fatal: set[str] = set()
        self._server: ThreadingHTTPServer | None = None
        self._stopping = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """An engine starts with the base model alone."""
        self.adapters = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Returns when the port is free, also where another thread stops the engine at the same time."""
        with self._stopping:
            server, self._server = self._server, None
            if server is not None:
                server.shutdown()
                server.server_close()

    def load(self, name: str, path: str) -> tuple[int, object]:
        self.calls.append(("load", name))
        if name in self.adapters:
            return 400, _error(f"The lora adapter '{name}' has already been loaded.")
        if name in self.refuse or not Path(path, "adapter_config.json").exists():
            return 400, _error(f"Loading lora {name} failed: no adapter found for {path}")
        self.adapters[name] = path
        return 200, f"Success: LoRA adapter '{name}' added successfully."

    def unload(self, name: str) -> tuple[int, object]:
        self.calls.append(("unload", name))
        if self.adapters.pop(name, None) is None:
            return 404, _error(f"The lora adapter '{name}' cannot be found.")
        return 200, f"Success: LoRA adapter '{name}' removed successfully."

    def complete(self, model: str) -> tuple[int, object]:
        self.calls.append(("complete", model))
        if model in self.fatal:
            threading.Thread(target=self.stop).start()
            return 500, _error("EngineCore encountered an issue.")
        if model not in {self.base_model, *self.adapters}:
            return 404, _error(f"The model `{model}` does not exist.")
        usage = {"prompt_tokens": 4, "completion_tokens": 1, "total_tokens": 5}
        return 200, {"model": model, "choices": [{"index": 0, "text": " a"}], "usage": usage}

    def models(self) -> object:
        base = {"id": self.base_model, "object": "model", "root": "/work/model", "parent": None}
        loaded = [{"id": name, "root": path, "parent": self.base_model} for name, path in self.adapters.items()]
        return {"object": "list", "data": [base, *loaded]}


def _error(message: str) -> object:
    return {"error": {"message": message, "type": "BadRequestError", "code": 400}}


def _handler(engine: VllmServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def answer(self, status: int, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self.answer(200, engine.models() if self.path == "/v1/models" else {})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/v1/load_lora_adapter":
                return self.answer(*engine.load(body["lora_name"], body["lora_path"]))
            if self.path == "/v1/unload_lora_adapter":
                return self.answer(*engine.unload(body["lora_name"]))
            return self.answer(*engine.complete(body["model"]))

    return Handler
