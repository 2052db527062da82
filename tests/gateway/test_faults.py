"""Engines that fail, clients that misbehave: typed errors that leak nothing, nothing left running."""

import socket
import time

import httpx
import pytest

from banktuner_gateway import limits
from tests.gateway.harness import AUTH, CHAT, Engine
from tests.support.ports import free_port

QUESTION = {"message": "my secret is pineapple"}


@pytest.mark.parametrize(
    ("mode", "status", "code"),
    [
        ("not json", 502, "engine_error"),
        ("no choices", 502, "engine_error"),
        ("huge", 502, "engine_error"),
        ("cut", 502, "engine_error"),
        ("500", 502, "engine_error"),
        ("401", 502, "engine_error"),
        ("302", 502, "engine_error"),
        ("502", 502, "engine_error"),
        ("504", 504, "engine_timeout"),
        ("429", 503, "engine_busy"),
        ("503", 503, "engine_busy"),
        ("400", 422, "message_not_accepted"),
        ("422", 422, "message_not_accepted"),
    ],
)
def test_engine_faults_are_typed_and_leak_nothing(client, engine, mode, status, code):
    engine.mode = mode
    answer = client.post(CHAT, json=QUESTION, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    for secret in ("secret-internal-host", "Traceback", "127.0.0.1", "pineapple"):
        assert secret not in answer.text
    assert ("retry-after" in answer.headers) is (status == 503)
    assert len(engine.requests) == 1, "a question is never asked twice"


def test_base_model_that_the_engine_does_not_know_is_our_fault(client, engine):
    engine.models.clear()
    assert client.post(CHAT, json={**QUESTION, "adapter": None}, headers=AUTH).status_code == 502


def test_what_an_engine_sets_for_one_question_goes_with_no_other(start_gateway, engine):
    # by a name: cookies of addresses are not kept anyway
    with httpx.Client(base_url=start_gateway(engineUrl=f"http://localhost:{engine.port}")) as client:
        answers = [client.post(CHAT, json=QUESTION, headers=AUTH) for _ in range(2)]
    assert [one.status_code for one in answers] == [200, 200]
    assert not any("cookie" in headers for headers, _ in engine.requests)
    assert not any("set-cookie" in one.headers for one in answers)


def test_slow_engine_is_504_in_time_and_abandoned(start_gateway, engine):
    engine.mode = "hang"
    with httpx.Client(base_url=start_gateway(requestTimeoutSeconds=2)) as client:
        started = time.monotonic()
        answer = client.post(CHAT, json=QUESTION, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "engine_timeout")
    assert time.monotonic() - started < 30
    assert engine.abandoned.wait(30)


def test_refused_connection_is_502_and_the_next_question_works_again(background, stack, start_gateway):
    port = free_port()
    with httpx.Client(base_url=start_gateway(engineUrl=f"http://127.0.0.1:{port}")) as client:
        answer = client.post(CHAT, json=QUESTION, headers=AUTH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (502, "engine_unreachable")
        background.run(stack.enter_async_context(Engine(port=port).serve()))
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 200


def test_client_that_leaves_frees_the_engine_within_a_second(client, engine):
    """One of three times: a busy machine may tell of it late."""
    assert any(_seconds_until_abandoned(client, engine) < 1 for _ in range(3))
    engine.mode = "ok"
    assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 200
    assert 'status="499"' in client.get("/metrics").text


def _seconds_until_abandoned(client: httpx.Client, engine: Engine) -> float:
    engine.reset()
    engine.mode = "hang"
    body = b'{"message": "Is my card blocked?"}'
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nAuthorization: {AUTH['Authorization']}"
    connection = socket.create_connection((client.base_url.host, client.base_url.port))
    connection.sendall(head.encode() + b"\r\n\r\n" + body)
    assert engine.asked.wait(30)
    assert not engine.abandoned.is_set()
    connection.close()
    left = time.monotonic()
    assert engine.abandoned.wait(10), "sooner than the time for an answer is over"
    return time.monotonic() - left


def test_a_body_that_is_too_large_is_413(client, engine):
    answer = client.post(CHAT, json={"message": "x" * 200_000}, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert engine.requests == []


def test_an_endless_chunked_body_is_cut_off(client):
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=10)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nAuthorization: {AUTH['Authorization']}"
    connection.sendall(head.encode() + b"\r\n\r\n")
    sent = 0
    with pytest.raises(ConnectionError):
        while sent < 50_000_000:
            connection.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
            sent += 4096
    assert sent < 10_000_000, "buffers of the two sockets, not the whole body"


def test_a_body_that_never_ends_coming_is_408(client, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=5)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: {AUTH['Authorization']}"
    connection.sendall(head.encode() + b'\r\n\r\n{"mess')
    answer = b""
    while received := connection.recv(65536):
        answer += received
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"body_timeout" in answer


def test_a_stranger_cannot_make_the_gateway_read_a_body(client):
    """The 401 comes at once and closes the connection, although the declared body never arrives."""
    connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=5)
    connection.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
    answer = b""
    while received := connection.recv(65536):
        answer += received
    assert answer.startswith(b"HTTP/1.1 401")
    assert b"connection: close" in answer.lower()


def test_a_client_that_leaves_in_the_middle_of_its_body_does_no_harm(client):
    connection = socket.create_connection((client.base_url.host, client.base_url.port))
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nAuthorization: {AUTH['Authorization']}"
    connection.sendall(head.encode() + b'\r\n\r\n{"mess')
    time.sleep(0.1)
    connection.close()
    assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 200
    assert 'status="500"' not in client.get("/metrics").text
