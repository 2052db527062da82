"""G9 and G10 in the chat's own form: engines that fail and clients that leave, what is recorded, what is freed."""

import json
import socket
import time

import httpx
import pytest

from tests.gateway.harness import AUTH, CHAT, events
from tests.gateway.trail import VOLUME, decisions, make_trail, verify

COMPLETIONS = "/v1/chat/completions"
QUESTION = {"message": "Is my card blocked?"}
ASKED = {"model": "assistant", "messages": [{"role": "user", "content": "Is my card blocked?"}]}


@pytest.mark.parametrize("mode", ["stream cut", "stream garbage"])
def test_a_stream_that_breaks_tells_it_and_is_recorded(audited, engine, mode):
    """In an event where the answer has begun; the garbage comes before that."""
    address, files = audited
    engine.mode = mode
    with httpx.Client(base_url=address) as client:
        answer = client.post(CHAT, json=QUESTION | {"stream": True}, headers=AUTH)
        kind, last = events(answer.text)[-1] if mode == "stream cut" else ("error", answer.json())
        assert (kind, last["error"]["code"]) == ("error", "engine_error")
        assert "secret-internal-host" not in answer.text
        assert len(engine.requests) == 1
        engine.mode = "ok"
        kept = client.post(CHAT, json=QUESTION, headers=AUTH)
    assert kept.status_code == 200
    told = [(one["event"], one["outcome"], one["status"]) for one in decisions(files)]
    assert told[:2] == [("stream_started", "started", 200), ("stream_ended", "failed", 502)]
    assert verify(files).returncode == 0


def test_an_engine_that_fails_before_the_first_piece_is_a_plain_error(client, engine):
    engine.mode = "500"
    answer = client.post(CHAT, json=QUESTION | {"stream": True}, headers=AUTH)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "application/json")
    assert answer.json()["error"]["code"] == "engine_error"


def test_a_broken_stream_adds_nothing_to_its_conversation(client, engine):
    known = client.post(CHAT, json=QUESTION, headers=AUTH).json()["conversation_id"]
    engine.mode = "stream cut"
    client.post(CHAT, json=QUESTION | {"stream": True, "conversation_id": known}, headers=AUTH)
    engine.mode = "ok"
    assert client.post(CHAT, json=QUESTION | {"conversation_id": known}, headers=AUTH).status_code == 200
    assert len(engine.requests[-1][1]["messages"]) == 3


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize("mode", ["hang", "stream hang"])
def test_who_leaves_frees_engine_slot_and_conversation_and_is_recorded(files, start_gateway, engine, path, mode):
    make_trail(files)
    limit = {"requestsPerMinute": 100_000, "burst": 1000, "concurrency": 1}
    body = (QUESTION if path == CHAT else ASKED) | {"stream": mode == "stream hang"}
    with httpx.Client(base_url=start_gateway(audit=VOLUME, rateLimit=limit)) as client:
        known = client.post(CHAT, json=QUESTION, headers=AUTH).json()["conversation_id"]
        body |= {"conversation_id": known} if path == CHAT else {}
        engine.mode = mode
        engine.asked.clear()
        _ask_and_leave(client, path, body, engine)
        assert engine.abandoned.wait(10), "the engine works on for nobody"
        engine.mode = "ok"
        wait_for(lambda: any(one["outcome"] == "cancelled" for one in decisions(files)))
        # One slot a caller and one question a conversation: both are free soon after the record is kept.
        again = QUESTION | {"conversation_id": known}
        wait_for(lambda: client.post(CHAT, json=again, headers=AUTH).status_code == 200)
    [left] = [one for one in decisions(files) if one["outcome"] == "cancelled"]
    assert (left["status"], left["caller"], left["route"]) == (499, "teller", path)
    assert verify(files).returncode == 0


def _ask_and_leave(client: httpx.Client, path: str, body: dict, engine) -> None:
    """After the first piece of a stream; of a whole answer, after the engine was asked."""
    if body["stream"]:
        with client.stream("POST", path, json=body, headers=AUTH) as answer:
            next(answer.iter_bytes())
        return
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(content)}\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port)) as connection:
        connection.sendall(f"{head}Authorization: {AUTH['Authorization']}\r\n\r\n".encode() + content)
        assert engine.asked.wait(30)


def wait_for(true) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to be within 10 s")
