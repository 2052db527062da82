"""Connections to the engine: whole answers, streams, health. Every failure is an ApiError that tells no address."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp

from banktuner_api.serving import MODEL_HEADER, GatewayConfig
from banktuner_gateway.engine.capacity import PATHS, Capacity, parse_capacity
from banktuner_gateway.engine.faults import broken, busy, refusal, too_slow, took_nothing, unreachable
from banktuner_gateway.engine.holding import EngineAwayError, Hold
from banktuner_gateway.engine.messages import DONE, EVENT, Answer, Delta, Prompt, parse_completion, parse_event
from banktuner_gateway.errors import ApiError
from banktuner_gateway.targets import Target

CONNECT_SECONDS = 3.0
QUEUE_SECONDS = 5.0
"""How long a question may wait for one of the connections."""
HEALTH_SECONDS = 2.0
HEALTH_KEPT_SECONDS = 1.0
MAX_CONNECTIONS = 256
MAX_ANSWER_BYTES = 4 * 1024 * 1024
MAX_LINE_BYTES = 256 * 1024
COMPLETIONS = "/v1/chat/completions"


@dataclass(frozen=True)
class Health:
    """`problem` is None when the engine answered its health check with 200."""

    problem: str | None
    checked_at: float


class EngineClient:
    """Asks the engine's Service; to be used within the one event loop that it is first used in."""

    def __init__(self, config: GatewayConfig) -> None:
        self._url = config.engine_url
        self._seconds = config.request_timeout_seconds
        self._hold = Hold(config.hold_seconds)
        self.capacity: Capacity | None = None
        """As the engine told when its health was last asked for; None: it never did."""
        self._http: aiohttp.ClientSession | None = None
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._health = Health("not asked yet", float("-inf"))
        self._health_lock = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()

    async def complete(self, target: Target, prompt: Prompt, request_id: str, field: str) -> Answer:
        """Ask `target` for a whole answer; `field`: the caller's name of what may be too long.

        A question that the engine may have begun to answer is never asked again. One that it took nothing of is: an
        adapter version that is not loaded gives way to its fallback, and what is not there is waited for.
        Raises ApiError 422, 502, 503 or 504.
        """
        async with self._asked(target, prompt, request_id, field, stream=False) as (response, model):
            return parse_completion(await _read(response), model)

    @asynccontextmanager
    async def stream(
        self, target: Target, prompt: Prompt, request_id: str, field: str
    ) -> AsyncIterator[tuple[AsyncIterator[Delta], str]]:
        """The same piece by piece, and the model that answers; leaving the context ends the engine's work.

        Raises ApiError as `complete` does, on entry and while the pieces are read.
        """
        async with self._asked(target, prompt, request_id, field, stream=True) as (response, model):
            yield _deltas(response), model

    async def health(self) -> Health:
        """The engine's health, at most a second old: probes cannot be used to flood the engine."""
        async with self._health_lock:
            if time.monotonic() - self._health.checked_at >= HEALTH_KEPT_SECONDS:
                problem = await self._health_problem()
                if problem is None:
                    self.capacity = await self._told_capacity() or self.capacity
                self._health = Health(problem, time.monotonic())
            return self._health

    async def _health_problem(self) -> str | None:
        try:
            async with asyncio.timeout(HEALTH_SECONDS), self._session().get(f"{self._url}/health") as response:
                status = response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"engine: {type(error).__name__}"
        return None if status == HTTPStatus.OK else f"engine: health status {status}"

    async def _told_capacity(self) -> Capacity | None:
        try:
            async with asyncio.timeout(HEALTH_SECONDS):
                for path in PATHS:
                    async with self._session().get(f"{self._url}{path}") as response:
                        if response.status == HTTPStatus.OK:
                            return parse_capacity(await _read(response))
        except (aiohttp.ClientError, TimeoutError, ApiError):
            pass
        return None

    @asynccontextmanager
    async def _asked(
        self, target: Target, prompt: Prompt, request_id: str, field: str, stream: bool
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """The open answer of `target`, or of its fallback, and the engine's name of who answers."""
        async with AsyncExitStack() as taken:
            yield await self._hold.until_taken(
                lambda: taken.enter_async_context(self._attempt(target, prompt, request_id, field, stream))
            )

    @asynccontextmanager
    async def _attempt(
        self, target: Target, prompt: Prompt, request_id: str, field: str, stream: bool
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """Raises EngineAwayError on entry where the engine took nothing, ApiError for everything else."""
        async with self._slot(), _translated():
            async with asyncio.timeout(self._seconds):
                response, model = await self._post(target.model, prompt, request_id, stream), target.model
                try:
                    if response.status == HTTPStatus.NOT_FOUND and target.fallback is not None:
                        response.close()
                        model = target.fallback.model
                        response = await self._post(model, prompt, request_id, stream)
                    if response.status != HTTPStatus.OK:
                        problem = refusal(response.status, target, field)
                        raise EngineAwayError(problem) if took_nothing(response.status, target) else problem
                    yield response, model
                finally:
                    # To the pool where the answer was read to its end, else closed, which ends the engine's work.
                    response.release() if response.content.at_eof() else response.close()

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            yield
        finally:
            self._slots.release()

    async def _post(self, model: str, prompt: Prompt, request_id: str, stream: bool) -> aiohttp.ClientResponse:
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id, MODEL_HEADER: model}
        return await self._session().post(
            f"{self._url}{COMPLETIONS}", data=prompt.body(model, stream), headers=headers, allow_redirects=False
        )

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, use_dns_cache=True, ttl_dns_cache=10),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                read_bufsize=MAX_LINE_BYTES,
                # One customer's answer must not set what goes with another's question.
                cookie_jar=aiohttp.DummyCookieJar(),
                # Not from the environment: a proxy variable must not carry customers' questions elsewhere.
                trust_env=False,
            )
        return self._http


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    """What the HTTP client raises, as the ApiError that a caller is told. Without a connection nothing was sent."""
    try:
        yield
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        raise EngineAwayError(unreachable()) from error
    except TimeoutError as error:
        raise too_slow() from error
    except aiohttp.ClientError as error:
        raise broken() from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise broken()
    return bytes(body)


async def _deltas(response: aiohttp.ClientResponse) -> AsyncIterator[Delta]:
    """Raises ApiError 502 where the stream ends before it says that it is done."""
    size = 0
    while line := await _line(response):
        size += len(line)
        if size > MAX_ANSWER_BYTES:
            break
        if line.removeprefix(EVENT).strip() == DONE:
            return
        delta = parse_event(line)
        if delta is not None:
            yield delta
    raise broken()


async def _line(response: aiohttp.ClientResponse) -> bytes:
    """Empty at the end."""
    try:
        return await response.content.readline()
    except ValueError:
        # Longer than the buffer.
        raise broken() from None
