"""G3 beyond one request: bodies that lie about their length, drip, nest or never end, and what memory they cost."""

import json
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from banktuner_gateway import limits
from tests.gateway.harness import AUTH, CHAT, gateway_config
from tests.gateway.process import running_process

COMPLETIONS = "/v1/chat/completions"
AUTHORIZED = f"Host: x\r\nAuthorization: {AUTH['Authorization']}\r\n"


def connect(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=60)


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionError:
        pass
    return received


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_what_follows_a_body_of_the_declared_length_is_no_part_of_it(client, engine, path):
    body = b'{"message": "x"}' if path == CHAT else b'{"model": "nobody", "messages": []}'
    head = f"POST {path} HTTP/1.1\r\n{AUTHORIZED}Content-Length: {len(body)}\r\n\r\n".encode()
    with connect(client) as connection:
        connection.sendall(head + body + b"x" * 100_000)
        received = until_closed(connection)
    statuses = [line.split()[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    assert statuses[-1] == b"400", "the rest is another request, and none"
    assert len(statuses) <= 2


@pytest.mark.parametrize(
    "headers", ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n"]
)
def test_a_body_with_two_lengths_is_400(client, engine, headers):
    """Between two servers that disagree on it a second request could be hidden."""
    with connect(client) as connection:
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{AUTHORIZED}{headers}\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
        received = until_closed(connection)
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1 ") == 1
    assert engine.requests == []


def test_drops_of_a_body_do_not_win_time(client, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.5)
    with connect(client) as connection:
        connection.sendall(f"POST {CHAT} HTTP/1.1\r\n{AUTHORIZED}Content-Length: 5000\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            for _ in range(5000):
                connection.sendall(b" ")
                time.sleep(0.02)


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("nested", ["[" * 60_000, '{"message":' * 10_000, '{"messages":[' * 8_000])
def test_deep_json_is_422(client, engine, path, nested):
    answer = client.post(path, content=nested.encode(), headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_body")
    assert engine.requests == []


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_bodies_without_end_leave_memory_as_it_was(files, engine):
    (files / "gateway.json").write_text(json.dumps(gateway_config(engine.port).to_json()))
    head = f"POST {CHAT} HTTP/1.1\r\n{AUTHORIZED}Transfer-Encoding: chunked\r\n\r\n".encode()
    with (files / "log").open("w") as log, running_process(files, stdout=log) as (running, client):
        client.post(CHAT, json={"message": "x" * 8000}, headers=AUTH)
        before = resident(running.pid)
        for _ in range(10):
            connections = [connect(client) for _ in range(20)]
            for connection in connections:
                with suppress(ConnectionError):
                    connection.sendall(head + b"30000\r\n" + b" " * 0x30000 + b"\r\n")
            for connection in connections:
                assert until_closed(connection)[:12] in (b"", b"HTTP/1.1 413")
                connection.close()
        assert resident(running.pid) - before < 24 * 1024 * 1024, "200 bodies of 192 KiB, 20 at a time"
        assert client.post(CHAT, json={"message": "Is my card blocked?"}, headers=AUTH).status_code == 200
