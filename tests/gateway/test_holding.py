"""Questions that wait for an engine that is not there: answered as soon as it is, once, and never asked twice."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

import httpx
import pytest

from banktuner_gateway.engine import holding
from tests.gateway.harness import AUTH, CHAT, Engine
from tests.support.ports import free_port

SAID = "card-support-aaaaaaaaaaaa says Is my card blocked?"
QUESTION = {"message": "Is my card blocked?"}


class Later:
    """An engine that is not there in one of three ways, until it comes."""

    def __init__(self, way: str, background, stack: AsyncExitStack) -> None:
        self.engine = Engine()
        self._way, self._background, self._stack = way, background, stack
        self.engine.port = free_port()
        if way == "starting":
            self.engine.mode = "503"
        elif way == "without the adapter":
            self.engine.models = {"assistant"}
        if way != "refuses connections":
            self._serve()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.engine.port}"

    def come(self) -> None:
        self.engine.mode, self.engine.models = "ok", {"assistant", "card-support-aaaaaaaaaaaa"}
        if self._way == "refuses connections":
            self._serve()

    def _serve(self) -> None:
        self._background.run(self._stack.enter_async_context(self.engine.serve()))


WAYS = ["refuses connections", "starting", "without the adapter"]


@pytest.fixture
def later(background, stack, request) -> Later:
    return Later(getattr(request, "param", WAYS[0]), background, stack)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def audited(files, start_gateway, later):
    """Starts a gateway before the engine that comes later; records go to a folder."""
    (files / "secrets" / "audit").mkdir(parents=True)
    (files / "secrets" / "audit" / "key").write_text("0123456789abcdef0123456789abcdef")
    (files / "audit").mkdir()

    def start(seconds: float) -> httpx.Client:
        address = start_gateway(engineUrl=later.url, holdSeconds=seconds, audit={"sink": "Volume"})
        return httpx.Client(base_url=address, timeout=60)

    return start


def events(files) -> list[tuple[str, str | None]]:
    lines = [line for file in (files / "audit").rglob("*.jsonl") for line in file.read_text().splitlines()]
    told = [one for one in map(json.loads, lines) if one["event"] in ("decision", "stream_started", "stream_ended")]
    return [(one["event"], one["data"]["outcome"]) for one in told]


@pytest.mark.parametrize("later", WAYS, indirect=True)
@pytest.mark.parametrize("stream", [False, True])
def test_a_question_is_answered_when_the_engine_comes_and_recorded_once(audited, files, later, pool, stream):
    with audited(30) as client:
        asked = pool.submit(client.post, CHAT, json={**QUESTION, "stream": stream}, headers=AUTH)
        time.sleep(0.5)
        assert not asked.done()
        later.come()
        answer = asked.result(30)
    assert answer.status_code == 200
    assert SAID in (answer.text if stream else answer.json()["response"])
    once = [("stream_started", "started"), ("stream_ended", "answered")] if stream else [("decision", "answered")]
    assert events(files) == once


@pytest.mark.parametrize(
    ("later", "status", "code"),
    [(WAYS[0], 502, "engine_unreachable"), (WAYS[1], 503, "engine_busy"), (WAYS[2], 503, "adapter_not_ready")],
    indirect=["later"],
)
@pytest.mark.parametrize("stream", [False, True])
def test_when_the_time_is_over_the_caller_is_told_why(audited, files, later, status, code, stream):
    with audited(0.5) as client:
        started = time.monotonic()
        answer = client.post(CHAT, json={**QUESTION, "stream": stream}, headers=AUTH)
        assert time.monotonic() - started >= 0.5
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    once = [("stream_started", "started"), ("stream_ended", "failed")] if stream else [("decision", "failed")]
    assert events(files) == once


@pytest.mark.parametrize("later", ["starting"], indirect=True)
def test_more_than_may_wait_are_refused_at_once_and_a_client_that_leaves_makes_room(
    audited, files, later, pool, monkeypatch
):
    monkeypatch.setattr(holding, "MAX_HELD", 1)
    with audited(60) as client:
        body = json.dumps(QUESTION).encode()
        head = (
            f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nAuthorization: {AUTH['Authorization']}"
        )
        waiting = socket.create_connection((client.base_url.host, client.base_url.port))
        waiting.sendall(head.encode() + b"\r\n\r\n" + body)
        assert later.engine.asked.wait(20)
        refused = client.post(CHAT, json=QUESTION, headers=AUTH)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert refused.json()["error"]["code"] == "engine_unavailable"
        waiting.close()
        _until_recorded(files, ("decision", "cancelled"))
        asked = pool.submit(client.post, CHAT, json=QUESTION, headers=AUTH)
        time.sleep(0.3)
        assert not asked.done(), "the place of the one who left"
        later.come()
        assert asked.result(30).json()["response"] == SAID
    assert events(files).count(("decision", "cancelled")) == 1
    assert events(files).count(("decision", "answered")) == 1


def _until_recorded(files, event: tuple[str, str]) -> None:
    deadline = time.monotonic() + 20
    while event not in events(files):
        assert time.monotonic() < deadline, events(files)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("mode", "stream", "status"),
    [
        ("cut", False, 502),
        ("not json", False, 502),
        ("500", False, 502),
        ("502", False, 502),
        ("504", False, 504),
        ("429", False, 503),
        ("hang", False, 504),
        ("cut", True, 200),
        ("stream cut", True, 200),
        ("stream garbage", True, 200),
    ],
)
def test_what_the_engine_may_have_begun_is_never_asked_again(start_gateway, engine, mode, stream, status):
    engine.mode = mode
    with httpx.Client(base_url=start_gateway(holdSeconds=60, requestTimeoutSeconds=2), timeout=30) as client:
        answer = client.post(CHAT, json={**QUESTION, "stream": stream}, headers=AUTH)
    assert answer.status_code == status or (stream and answer.status_code == 502)
    if stream and answer.status_code == 200:
        assert "event: error" in answer.text
    assert len(engine.requests) == 1


def test_a_gateway_that_holds_questions_stays_in_its_service_while_the_engine_is_away(start_gateway, engine):
    engine.healthy = False
    with httpx.Client(base_url=start_gateway(holdSeconds=30)) as client:
        ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["reasons"]) == (200, [])
    assert ready.json()["warnings"] == ["engine: health status 503"]
