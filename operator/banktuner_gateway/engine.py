"""The upstream: one HTTP client for the chat completions that vLLM and TGI both speak, and for their health."""

import asyncio
import time
from dataclasses import dataclass

import httpx
from pydantic import BaseModel, Field, ValidationError

from banktuner_api.serving import MODEL_HEADER, GatewayConfig
from banktuner_gateway.errors import ApiError, retry_later
from banktuner_gateway.targets import Target, adapter_not_ready

CONNECT_SECONDS = 3.0
HEALTH_SECONDS = 2.0
HEALTH_KEPT_SECONDS = 1.0
MAX_CONNECTIONS = 256
MAX_ANSWER_BYTES = 4 * 1024 * 1024
BUSY_RETRY_SECONDS = 2


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    """The part of an OpenAI chat completion that is used."""

    choices: list[_Choice] = Field(min_length=1)


@dataclass(frozen=True)
class Health:
    """`problem` is None when the engine answered its health check with 200."""

    problem: str | None
    checked_at: float


@dataclass(frozen=True)
class Answer:
    """What was said, and which of the engine's models said it."""

    text: str
    model: str


class EngineClient:
    """Asks the engine's Service. Every failure is an ApiError that says nothing about addresses or bodies."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        # Not from the environment: a proxy variable of the node must not carry customers' questions elsewhere.
        self._http = httpx.AsyncClient(
            base_url=config.engine_url,
            trust_env=False,
            timeout=httpx.Timeout(config.request_timeout_seconds, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
        )
        self._health = Health("not asked yet", float("-inf"))
        self._health_lock = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def complete(self, target: Target, message: str, request_id: str) -> Answer:
        """Ask `target`. Raises ApiError 422, 502, 503 or 504.

        No retry, because a question may be costly; but an adapter version that the engine has not loaded yet costs
        nothing to be refused, and then the version before it is asked.
        """
        try:
            async with asyncio.timeout(self._config.request_timeout_seconds):
                return await self._ask(target, message, request_id)
        except httpx.PoolTimeout as error:
            raise busy() from error
        except (httpx.ConnectTimeout, httpx.ConnectError) as error:
            raise unreachable() from error
        except (TimeoutError, httpx.TimeoutException) as error:
            raise too_slow() from error
        except httpx.HTTPError as error:
            raise broken() from error

    async def health(self) -> Health:
        """The engine's health, at most a second old: probes cannot be used to flood the engine."""
        async with self._health_lock:
            if time.monotonic() - self._health.checked_at >= HEALTH_KEPT_SECONDS:
                self._health = Health(await self._health_problem(), time.monotonic())
            return self._health

    async def _health_problem(self) -> str | None:
        try:
            response = await self._http.get("/health", timeout=HEALTH_SECONDS)
        except httpx.HTTPError as error:
            return f"engine: {type(error).__name__}"
        return None if response.status_code == httpx.codes.OK else f"engine: health status {response.status_code}"

    async def _ask(self, target: Target, message: str, request_id: str) -> Answer:
        model = target.model
        status, body = await self._post(model, message, request_id)
        if status == httpx.codes.NOT_FOUND and target.previous is not None:
            model = target.previous
            status, body = await self._post(model, message, request_id)
        if status != httpx.codes.OK:
            raise refusal(status, target)
        return Answer(parse_completion(body), model)

    async def _post(self, model: str, message: str, request_id: str) -> tuple[int, bytes]:
        question = {
            "model": model,
            "messages": [{"role": "user", "content": message}],
            "max_tokens": self._config.max_tokens,
            "temperature": 0,
        }
        headers = {"X-Request-ID": request_id, MODEL_HEADER: model}
        async with self._http.stream("POST", "/v1/chat/completions", json=question, headers=headers) as response:
            return response.status_code, await _read(response)


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise broken()
    return bytes(body)


def parse_completion(body: bytes) -> str:
    """Text of the first choice. Raises ApiError 502 when the body is not a chat completion."""
    try:
        return _Completion.model_validate_json(body).choices[0].message.content
    except ValidationError:
        # Not chained: a validation error quotes the body, and with it what the model said.
        raise broken() from None


def refusal(status: int, target: Target) -> ApiError:
    """What an engine's status means to the caller; everything but the message's length is our own business."""
    if status == httpx.codes.NOT_FOUND and target.adapter is not None:
        return adapter_not_ready(target.adapter)
    if status in (httpx.codes.BAD_REQUEST, httpx.codes.REQUEST_ENTITY_TOO_LARGE, httpx.codes.UNPROCESSABLE_ENTITY):
        return ApiError(
            422,
            "message_not_accepted",
            "The model did not accept this message; most likely it is longer than the model can read. Shorten it.",
            field="message",
        )
    if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
        return busy()
    if status == httpx.codes.GATEWAY_TIMEOUT:
        return too_slow()
    return broken()


def busy() -> ApiError:
    """503: the engine is there but takes no more."""
    return retry_later("engine_busy", "The model is busy. Try again.", BUSY_RETRY_SECONDS)


def too_slow() -> ApiError:
    """504: no whole answer within the time."""
    return ApiError(504, "engine_timeout", "The model did not answer in time.")


def unreachable() -> ApiError:
    """502: no connection."""
    return ApiError(502, "engine_unreachable", "The model cannot be reached.")


def broken() -> ApiError:
    """502: an answer that cannot be used."""
    return ApiError(502, "engine_error", "The model gave no usable answer.")
