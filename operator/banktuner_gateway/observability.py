"""What the gateway tells about itself: one JSON log line a request, and Prometheus metrics.

Never a message's content, and never an exception's text, which may quote it.
"""

import json
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from uuid import uuid4

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from banktuner_gateway.errors import internal_error
from banktuner_gateway.stdout import LineQueue

logger = logging.getLogger("banktuner.gateway.request")

REQUEST_ID_HEADER = "X-Request-ID"
UNMATCHED = "unmatched"
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by probes; they are counted, not logged."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OVERHEAD_SECONDS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)


class JsonFormatter(logging.Formatter):
    """One JSON object a line; `extra={"fields": {…}}` adds members."""

    def format(self, record: logging.LogRecord) -> str:
        """Exceptions are told by type and place only: their text may quote what a customer wrote."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line.update(describe_exception(record.exc_info[0], record.exc_info[2]))
        return json.dumps(line, ensure_ascii=False, default=str)


def describe_exception(kind: type[BaseException], trace: TracebackType | None) -> dict[str, object]:
    """Type and frames of an exception, without its text."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return {"exception": kind.__name__, "frames": frames[-12:]}


def configure_logging() -> None:
    """JSON lines on standard output for everything, uvicorn's own words included."""
    logging.basicConfig(level=logging.INFO, handlers=[LineQueue(JsonFormatter())], force=True)
    # It logs every upstream call at INFO, which the request's own line tells better.
    logging.getLogger("httpx").setLevel(logging.WARNING)


class Metrics:
    """Metrics in a registry of their own. Label `adapter` is empty for the base model and for refusals."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "banktuner_gateway_requests",
            "Requests answered.",
            ["route", "status", "adapter"],
            registry=self.registry,
        )
        self.duration = Histogram(
            "banktuner_gateway_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.upstream = Histogram(
            "banktuner_gateway_upstream_duration_seconds",
            "Time that the engine took.",
            ["adapter"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.overhead = Histogram(
            "banktuner_gateway_overhead_seconds",
            "A request's time without the engine's, where the engine was asked.",
            buckets=_OVERHEAD_SECONDS,
            registry=self.registry,
        )


@dataclass
class RequestRecord:
    """What is known about one request; filled in on its way, told at its end. Times in seconds; `began` since 1970."""

    request_id: str = field(default_factory=lambda: uuid4().hex)
    began: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    route: str = UNMATCHED
    status: int = 0
    caller: str | None = None
    adapter: str | None = None
    served_name: str | None = None
    upstream_seconds: float | None = None
    error_code: str | None = None
    audited: bool = False
    """Whether the pipeline has written a record of what became of the question."""
    headers: dict[str, str] = field(default_factory=dict)
    """Of the answer, beside its own; to be told before it begins."""
    held: AsyncExitStack = field(default_factory=AsyncExitStack)
    """What the request holds; given back at its end, however that comes."""

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """These and the request's id, as ASGI has them."""
        told = {REQUEST_ID_HEADER: self.request_id, **self.headers}
        return [(name.lower().encode(), value.encode()) for name, value in told.items()]


class RequestObserver:
    """Outermost middleware: gives each request its id, answers what nobody caught with 500, logs and counts."""

    def __init__(self, app: ASGIApp, metrics: Metrics, audited: Callable[[RequestRecord], Awaitable[None]]) -> None:
        """`audited`: puts a request that nobody answered on record."""
        self._app = app
        self._metrics = metrics
        self._audited = audited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; other kinds of scope pass through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord()
        scope.setdefault("state", {})["record"] = record

        async def observed_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *record.raw_headers]
            await send(message)

        try:
            async with record.held:
                await self._app(scope, receive, observed_send)
        except Exception as error:
            record.error_code = "internal_error"
            logger.exception("unhandled", extra={"fields": {"request_id": record.request_id}})
            await self._audited(record)
            if record.status == 0:
                await internal_error().response(record.request_id)(scope, receive, observed_send)
            else:
                raise ConnectionAbortedError(type(error).__name__) from None
        finally:
            self._finish(record, scope)

    def _finish(self, record: RequestRecord, scope: Scope) -> None:
        seconds = time.perf_counter() - record.started
        self._metrics.requests.labels(record.route, str(record.status), record.adapter or "").inc()
        self._metrics.duration.labels(record.route).observe(seconds)
        if record.upstream_seconds is not None:
            self._metrics.upstream.labels(record.adapter or "").observe(record.upstream_seconds)
            self._metrics.overhead.observe(seconds - record.upstream_seconds)
        if record.route not in QUIET_ROUTES:
            logger.info("request", extra={"fields": _log_fields(record, scope["method"], seconds)})


def _log_fields(record: RequestRecord, method: str, seconds: float) -> dict[str, object]:
    fields: dict[str, object] = {
        "request_id": record.request_id,
        "method": method,
        "route": record.route,
        "status": record.status,
        "caller": record.caller,
        "adapter": record.adapter,
        "served_name": record.served_name,
        "duration_ms": round(seconds * 1000, 2),
        "error_code": record.error_code,
    }
    if record.upstream_seconds is not None:
        fields["upstream_ms"] = round(record.upstream_seconds * 1000, 2)
        fields["overhead_ms"] = round((seconds - record.upstream_seconds) * 1000, 2)
    return fields
