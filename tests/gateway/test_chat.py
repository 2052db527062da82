"""What a customer's question becomes and what comes back."""

import json
import time

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banktuner_api.gateway import ASSISTANT
from banktuner_api.serving import MODEL_HEADER
from tests.gateway.harness import AUTH, CHAT, adapter, desired, write_desired


def ask(client: httpx.Client, **body):
    return client.post(CHAT, json=body, headers=AUTH)


def test_answer_has_response_and_model_first(client, engine):
    answer = ask(client, message="How do I freeze my card?")
    assert answer.status_code == 200
    body = answer.json()
    assert list(body)[:2] == ["response", "model"]
    assert set(body) == {
        *("response", "model", "adapter", "conversation_id", "intent", "sources", "refused"),
        "request_id",
    }
    assert body["response"] == "card-support-aaaaaaaaaaaa says How do I freeze my card?"
    assert (body["model"], body["adapter"]) == (ASSISTANT, "card-support")
    assert answer.headers["x-request-id"] == body["request_id"]


def test_engine_is_asked_with_messages_greedily_and_knows_the_request(client, engine):
    answer = ask(client, message="Is my card blocked?")
    headers, question = engine.requests[-1]
    assert question == {
        "model": "card-support-aaaaaaaaaaaa",
        "messages": [{"role": "user", "content": "Is my card blocked?"}],
        "max_tokens": 256,
        "temperature": 0,
    }
    assert headers["x-request-id"] == answer.json()["request_id"]
    assert headers[MODEL_HEADER.lower()] == "card-support-aaaaaaaaaaaa"
    assert "authorization" not in headers


def test_null_asks_the_base_model_and_absence_the_default_adapter(client, engine):
    base = ask(client, message="Is my card blocked?", adapter=None).json()
    assert (base["response"], base["adapter"]) == ("assistant says Is my card blocked?", None)
    assert ask(client, message="Is my card blocked?").json()["adapter"] == "card-support"
    assert ask(client, message="Is my card blocked?", adapter="card-support").json()["adapter"] == "card-support"


def test_without_a_default_adapter_absence_asks_the_base_model(files, start_gateway):
    write_desired(files, desired(defaultAdapter=None))
    with httpx.Client(base_url=start_gateway()) as client:
        assert ask(client, message="Is my card blocked?").json()["response"] == "assistant says Is my card blocked?"


def test_base_model_of_tgi_is_called_tgi(files, start_gateway, engine):
    write_desired(files, desired(engine="TGI"))
    engine.models.add("tgi")
    with httpx.Client(base_url=start_gateway()) as client:
        assert (
            ask(client, message="Is my card blocked?", adapter=None).json()["response"]
            == "tgi says Is my card blocked?"
        )


def test_unknown_adapter_never_reaches_the_engine(client, engine):
    answer = ask(client, message="Is my card blocked?", adapter="wealth")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert (error["code"], error["field"], error["available"]) == ("unknown_adapter", "adapter", ["card-support"])
    assert engine.requests == []


def test_adapter_that_no_engine_has_loaded_is_503_with_retry_after(client, engine):
    engine.models.discard("card-support-aaaaaaaaaaaa")
    answer = ask(client, message="Is my card blocked?")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "adapter_not_ready"
    assert int(answer.headers["retry-after"]) > 0


def test_default_adapter_without_a_version_is_503_and_not_the_base_model(files, start_gateway, engine):
    write_desired(files, desired(adapters=[]))
    with httpx.Client(base_url=start_gateway()) as client:
        answer = ask(client, message="Is my card blocked?")
    assert (answer.status_code, engine.requests) == (503, [])


def test_nothing_known_yet_is_503(files, start_gateway):
    (files / "desired.json").unlink()
    with httpx.Client(base_url=start_gateway()) as client:
        answer = ask(client, message="Is my card blocked?")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")


def test_a_new_adapter_in_the_file_is_answered_without_restart(files, start_gateway, engine):
    engine.models.add("wealth-bbbbbbbbbbbb")
    with httpx.Client(base_url=start_gateway()) as client:
        assert ask(client, message="Is my card blocked?", adapter="wealth").status_code == 404
        write_desired(files, desired("r2", adapters=[adapter("card-support", "a"), adapter("wealth", "b")]))
        answer = _until_ok(client, message="Is my card blocked?", adapter="wealth")
    assert answer.json()["response"] == "wealth-bbbbbbbbbbbb says Is my card blocked?"


def _until_ok(client, **body):
    deadline = time.monotonic() + 12
    while (answer := ask(client, **body)).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    return answer


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"message": ""}, "message", "invalid_field"),
        ({"message": "x" * 8001}, "message", "invalid_field"),
        ({"message": None}, "message", "invalid_field"),
        ({"message": 7}, "message", "invalid_field"),
        ({}, "message", "invalid_field"),
        ({"message": "Is my card blocked?", "adapter": ""}, "adapter", "invalid_field"),
        ({"message": "Is my card blocked?", "adapter": ["a"]}, "adapter", "invalid_field"),
        ({"message": "Is my card blocked?", "temperature": 2}, "temperature", "unknown_field"),
        ([], None, "invalid_body"),
        ("Is my card blocked?", None, "invalid_body"),
    ],
)
def test_bad_body_is_422_naming_the_field(client, engine, body, field, code):
    answer = client.post(CHAT, json=body, headers=AUTH)
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error.get("field"), error["code"]) == (field, code)
    assert engine.requests == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b'{"message": "\xff"}', b'{"message": "\\ud800"}', b"NaN"]
)
def test_body_that_is_not_json_is_422(client, content):
    answer = client.post(CHAT, content=content, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_body")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=JSON | st.dictionaries(st.sampled_from(["message", "adapter", "x"]), JSON, max_size=3))
def test_any_json_gets_an_answer_or_a_typed_refusal(client, body):
    answer = client.post(CHAT, content=json.dumps(body).encode(), headers=AUTH)
    assert answer.status_code in (200, 404, 422)
    assert ("error" in answer.json()) is (answer.status_code != 200)


def test_longest_message_in_its_longest_spelling_fits(client):
    message = "😀" * 8000
    answer = client.post(CHAT, content=json.dumps({"message": message}).encode(), headers=AUTH)
    assert answer.json()["response"].endswith(message)


def test_unknown_path_and_method_have_typed_errors(client):
    for path in ("/nowhere", "/docs/nowhere.js"):
        assert client.get(path).json()["error"]["code"] == "not_found"
    answer = client.get(CHAT, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_openapi_document_describes_body_security_and_errors(client):
    document = client.get("/openapi.json").json()
    operation = document["paths"][CHAT]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert "null, given explicitly: the base model" in schema["properties"]["adapter"]["description"]
    assert schema["additionalProperties"] is False
    assert operation["security"] == [{"HTTPBearer": []}]
    assert {"401", "404", "413", "422", "502", "503", "504"} <= set(operation["responses"])
