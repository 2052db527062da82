"""Heads of requests that come slowly, never, too large or broken; connections that live on."""

import json
import socket
import time

import pytest

from banktuner_gateway import server
from tests.gateway.harness import AUTH, CHAT
from tests.gateway.test_bodies import until_closed

BODY = b'{"message": "Is my card blocked?"}'
HEAD = (
    f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\nAuthorization: {AUTH['Authorization']}\r\n\r\n"
).encode()


@pytest.fixture
def connection(client):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as made:
        yield made


def read_all(connection: socket.socket) -> bytes:
    """Until the server closes."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


def read_answer(connection: socket.socket) -> bytes:
    """One answer of a connection that stays open."""
    received = b""
    while not (b"\r\n\r\n" in received and received.endswith(b"}")):
        received += connection.recv(65536)
    return received


def code(answer: bytes) -> str:
    return json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)


def test_a_head_that_never_ends_coming_is_408(impatient, connection):
    started = time.monotonic()
    connection.sendall(HEAD[:40])
    answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408")
    assert code(answer) == "head_timeout"
    assert time.monotonic() - started < 5


def test_drops_of_a_head_do_not_win_time(impatient, connection):
    with pytest.raises(ConnectionError):
        for byte in HEAD * 50:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)


def test_a_connection_that_says_nothing_is_closed(impatient, client):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=5) as silent:
        assert read_all(silent).startswith(b"HTTP/1.1 408")


def test_a_connection_that_lives_on_may_rest_between_questions_and_not_within_one(monkeypatch, connection):
    monkeypatch.setattr(server, "HEAD_SECONDS", 2)
    connection.sendall(HEAD + BODY)
    assert read_answer(connection).startswith(b"HTTP/1.1 200")
    time.sleep(2.5)
    connection.sendall(HEAD + BODY)
    assert read_answer(connection).startswith(b"HTTP/1.1 200")
    connection.sendall(HEAD[:40])
    assert code(read_all(connection)) == "head_timeout"


def test_a_large_body_in_time_is_no_matter_of_the_head(monkeypatch, connection):
    monkeypatch.setattr(server, "HEAD_SECONDS", 2)
    body = json.dumps({"message": "x" * 7000}).encode()
    head = HEAD.replace(f"Content-Length: {len(BODY)}".encode(), f"Content-Length: {len(body)}".encode())
    connection.sendall(head + body[:100])
    time.sleep(2.5)
    connection.sendall(body[100:])
    assert read_answer(connection).startswith(b"HTTP/1.1 200")


def test_endless_headers_are_431(monkeypatch, connection):
    monkeypatch.setattr(server, "MAX_HEAD_BYTES", 100_000)
    connection.sendall(HEAD[:-2])
    try:
        for number in range(2000):
            connection.sendall(b"X-%d: %s\r\n" % (number, b"y" * 1000))
    except ConnectionError:
        return
    answer = until_closed(connection)
    assert not answer or answer.startswith(b"HTTP/1.1 431"), "a reset may overtake the answer"
    assert not answer or code(answer) == "head_too_large"


@pytest.mark.parametrize("head", [b"\x16\x03\x01\x02\x00\x01\x00\x01", b"GET / HTTP/9\r\n\r\n", b"NONSENSE\r\n\r\n"])
def test_what_is_no_http_is_400(connection, head):
    connection.sendall(head)
    answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 400")
    assert code(answer) == "bad_request"


def test_pipelined_questions_are_answered_in_order(connection):
    first, second = (
        HEAD + body for body in (b'{"message": "Is my card1blocked?"}', b'{"message": "Is my card2blocked?"}')
    )
    connection.sendall(first + second)
    received = b""
    while b"Is my card2blocked?" not in received:
        received += connection.recv(65536)
    assert received.index(b"Is my card1blocked?") < received.index(b"Is my card2blocked?")
