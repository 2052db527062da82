"""Any bytes, any JSON and any headers over a real socket to a real process: a typed answer or a closed connection."""

import json
import socket

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.gateway.fuzz.conftest import Fuzzed
from tests.gateway.harness import AUTH, CHAT, TOKEN

COMPLETIONS = "/v1/chat/completions"
TYPED = {400, 401, 403, 404, 405, 408, 409, 413, 422, 429}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["model", "messages", "max_tokens", "temperature", "stop", "seed", "stream", "stream_options", "user", "n"]
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system"]) | JSON, "content": st.text() | JSON}
    ),
    max_size=3,
)
BODIES = st.one_of(
    JSON,
    st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4),
    st.fixed_dictionaries({"model": st.just("assistant"), "messages": MESSAGES}, optional={"stop": JSON, "n": JSON}),
)
bounded = settings(
    max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def assert_typed(status: int, body: bytes) -> None:
    if status != 200:
        assert status in TYPED
        assert json.loads(body)["error"]["code"]


@bounded
@given(body=BODIES)
def test_any_json_in_the_openai_form(fuzzed: Fuzzed, body) -> None:
    answer = fuzzed.client.post(COMPLETIONS, content=json.dumps(body).encode())
    assert_typed(answer.status_code, answer.content)


@bounded
@given(body=st.binary(max_size=400), path=st.sampled_from([CHAT, COMPLETIONS]))
def test_any_bytes_as_a_body(fuzzed: Fuzzed, body, path) -> None:
    answer = fuzzed.client.post(path, content=body)
    assert answer.status_code == 422
    assert_typed(answer.status_code, answer.content)


@bounded
@given(identifier=st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_conversation_id(fuzzed: Fuzzed, identifier) -> None:
    body = {"message": "Is my card blocked?", "conversation_id": identifier}
    answer = fuzzed.client.post(CHAT, content=json.dumps(body).encode())
    assert answer.status_code in (404, 422)
    assert_typed(answer.status_code, answer.content)


def exchange(fuzzed: Fuzzed, sent: bytes, *, whole: bool = True) -> bytes:
    """All that the server says to these bytes until it closes; where they are no `whole` request, they end there."""
    address = (fuzzed.client.base_url.host, fuzzed.client.base_url.port)
    received = b""
    with socket.create_connection(address, timeout=20) as connection:
        try:
            connection.sendall(sent)
            if not whole:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                received += piece
        except ConnectionError:
            pass
    return received


def assert_answered(fuzzed: Fuzzed, received: bytes) -> None:
    """Nothing at all, or HTTP without a 5xx; and the server still lives."""
    if received:
        assert received.startswith(b"HTTP/1.1 ")
        assert int(received.split(b" ", 2)[1]) < 500
    assert fuzzed.client.get("/healthz").status_code == 200


NO_LINE = st.binary(max_size=60).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b""))


@bounded
@given(sent=st.binary(max_size=200))
def test_any_bytes_as_a_request(fuzzed: Fuzzed, sent) -> None:
    assert_answered(fuzzed, exchange(fuzzed, sent, whole=False))


@bounded
@given(target=NO_LINE, name=NO_LINE, value=NO_LINE)
def test_any_target_and_header(fuzzed: Fuzzed, target, name, value) -> None:
    token = f"Authorization: Bearer {TOKEN}\r\n".encode()
    line = b"GET /" + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    assert_answered(fuzzed, exchange(fuzzed, line + token + name + b": " + value + b"\r\n\r\n"))


@bounded
@given(value=NO_LINE)
def test_any_token_on_the_wire(fuzzed: Fuzzed, value) -> None:
    head = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: " + value + b"\r\n\r\n"
    received = exchange(fuzzed, head)
    assert received.split(b" ", 2)[1] in (b"400", b"401")
    assert_answered(fuzzed, received)


def test_nothing_of_it_was_unforeseen(fuzzed: Fuzzed) -> None:
    """The last of this file: the process's log has no exception, and none of its answers was a 500."""
    fuzzed.client.post(CHAT, json={"message": "Is my card blocked?"}, headers=AUTH)
    assert "Traceback" not in fuzzed.log
    assert '"exception"' not in fuzzed.log
    assert 'status="500"' not in fuzzed.client.get("/metrics").text
