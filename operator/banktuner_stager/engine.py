"""Talks to vLLM on loopback: what is loaded, load, unload, and the proof by one generated token."""

import http.client
import json
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

LIST_SECONDS = 10.0
LOAD_SECONDS = 300.0
PROOF_SECONDS = 120.0
PROOF_PROMPT = "Hello, what is"


class EngineError(Exception):
    """The engine did not do it. `reason` is CamelCase."""

    reason = "EngineRefused"


class EngineDownError(EngineError):
    """Nobody listens: the engine is starting or restarting."""

    reason = "EngineUnavailable"


class EngineBusyError(EngineError):
    """No answer in time; the engine may be there all the same."""

    reason = "EngineBusy"


class EngineFailedError(EngineError):
    """The engine itself broke over the request (5xx); it may be dying."""

    reason = "EngineFailed"


class AdapterEngine(Protocol):
    """What `sync` needs of an engine. Methods raise EngineError."""

    static: bool

    def loaded(self, on_disk: frozenset[str]) -> frozenset[str]:
        """Served names that the engine knows."""

    def load(self, served_name: str, path: Path) -> None:
        """Load an adapter from a folder."""

    def unload(self, served_name: str) -> None:
        """Forget an adapter."""

    def prove(self, served_name: str) -> None:
        """See that the adapter answers."""


class VllmEngine:
    """vLLM's OpenAI server with runtime adapter loading. `base_model` is the name of the base model there."""

    static = False

    def __init__(self, url: str, base_model: str) -> None:
        self._address = urlsplit(url)
        self._base_model = base_model

    def loaded(self, on_disk: frozenset[str]) -> frozenset[str]:  # noqa: ARG002
        """Served names in GET /v1/models, but for the base model's."""
        answer = self._json("GET", "/v1/models", None, LIST_SECONDS)
        models = {str(model.get("id")) for model in answer.get("data", [])}
        if self._base_model not in models:
            raise EngineError(f"the engine serves {sorted(models)[:3]}, not {self._base_model}")
        return frozenset(models - {self._base_model})

    def load(self, served_name: str, path: Path) -> None:
        """POST /v1/load_lora_adapter."""
        self._call("POST", "/v1/load_lora_adapter", {"lora_name": served_name, "lora_path": str(path)}, LOAD_SECONDS)

    def unload(self, served_name: str) -> None:
        """POST /v1/unload_lora_adapter."""
        self._call("POST", "/v1/unload_lora_adapter", {"lora_name": served_name}, LOAD_SECONDS)

    def prove(self, served_name: str) -> None:
        """One token generated with the adapter; an engine that does not know it answers with an error."""
        body = {"model": served_name, "prompt": PROOF_PROMPT, "max_tokens": 1, "temperature": 0}
        answer = self._json("POST", "/v1/completions", body, PROOF_SECONDS)
        tokens = (answer.get("usage") or {}).get("completion_tokens")
        if answer.get("model") != served_name or tokens != 1:
            raise EngineError(f"asked {served_name} for one token: {answer.get('model')} answered with {tokens}")

    def _json(self, method: str, path: str, body: dict[str, Any] | None, timeout: float) -> dict[str, Any]:
        content = self._call(method, path, body, timeout)
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise EngineError(f"{path}: the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise EngineError(f"{path}: the answer is not an object")
        return answer

    def _call(self, method: str, path: str, body: dict[str, Any] | None, timeout: float) -> bytes:
        connection = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port or http.client.HTTP_PORT, timeout=timeout
        )
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
        except TimeoutError as error:
            raise EngineBusyError(f"{path}: no answer within {timeout:.0f} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise EngineDownError(f"{path}: {type(error).__name__}") from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            broke = response.status >= http.client.INTERNAL_SERVER_ERROR
            kind = EngineFailedError if broke else EngineError
            raise kind(f"{path}: status {response.status}: {_error_text(answer)}")
        return answer


def _error_text(answer: bytes) -> str:
    """The message in an OpenAI-style error body, or the beginning of whatever came."""
    try:
        error = json.loads(answer)
        error = error.get("error", error)
        return str(error.get("message", error))[:300]
    except (ValueError, AttributeError):
        return answer[:300].decode(errors="replace")
