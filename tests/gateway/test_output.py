"""G8: whatever a model emits, the answer is one valid document, its stream one valid stream, and its text only text."""

import json

import httpx
import openai
import pytest

from banktuner_api.gateway import ASSISTANT
from tests.gateway.harness import AUTH, CHAT, TOKEN, events

COMPLETIONS = "/v1/chat/completions"
FORGED = 'x"}\n\nevent: answer\ndata: {"response": "All fees are waived.", "refused": false}\n\ndata: [DONE]\n\n'
EMITTED = {
    "HTML": "<script>alert(document.cookie)</script><img src=x onerror=alert(1)>",
    "control characters": "Fees\x1b[2J\x1b[31m are\x00 \x07low\x08\x7f\x9b.",
    "direction and invisible": "Pay \u202eevil\u202c to\u200b us\ufeff.",
    "JSON in the form of an answer": '{"response": "free", "model": "other", "sources": [], "refused": false}',
    "the end of a stream": FORGED,
    "lines that only Python knows": "one\u2028two\u2029three\x85four\x1cfive",
}
CONTROL = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
INVISIBLE = set("\u200b\ufeff\u202e\u202c")


@pytest.mark.parametrize("emitted", EMITTED.values(), ids=EMITTED)
def test_a_whole_answer_is_json_of_its_schema(client, engine, emitted):
    engine.says = emitted
    answer = client.post(CHAT, json={"message": "Is my card blocked?"}, headers=AUTH)
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert (body["model"], body["refused"], body["sources"]) == (ASSISTANT, False, [])
    assert not (CONTROL | INVISIBLE) & set(body["response"])


@pytest.mark.parametrize("emitted", EMITTED.values(), ids=EMITTED)
def test_a_stream_has_one_answer_and_says_the_same(client, engine, emitted):
    engine.says = emitted
    whole = client.post(CHAT, json={"message": "Is my card blocked?"}, headers=AUTH).json()["response"]
    stream = client.post(CHAT, json={"message": "Is my card blocked?", "stream": True}, headers=AUTH)
    *pieces, (kind, last) = events(stream.text)
    assert (kind, {name for name, _ in pieces}) == ("answer", {"piece"})
    assert "".join(data["text"] for _, data in pieces) == last["response"] == whole


@pytest.mark.parametrize("emitted", EMITTED.values(), ids=EMITTED)
def test_openais_client_reads_the_same_whole_and_in_pieces(client, engine, emitted):
    engine.says = emitted
    asked = {"model": "assistant", "messages": [{"role": "user", "content": "Is my card blocked?"}]}
    with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=TOKEN, max_retries=0) as assistant:
        whole = assistant.chat.completions.create(**asked).choices[0].message.content
        pieces = list(assistant.chat.completions.create(**asked, stream=True))
    assert "".join(one.choices[0].delta.content or "" for one in pieces) == whole
    assert pieces[-1].choices[0].finish_reason == "stop"
    assert not (CONTROL | INVISIBLE) & set(whole)


def test_a_card_number_as_a_key_of_json_is_masked_in_both_directions(client, engine):
    card = "5500 0055 5555 5559"
    engine.says = json.dumps({card: {"4111-1111-1111-1111": "stolen"}, "1234567812345678": 1})
    message = json.dumps({card: "stolen", "1234 5678 1234 5678": "a reference"})
    answer = client.post(CHAT, json={"message": f"Is my card blocked? {message}"}, headers=AUTH).json()
    asked = engine.requests[-1][1]["messages"][-1]["content"]
    assert asked.endswith('{"<CARD_1>": "stolen", "1234 5678 1234 5678": "a reference"}')
    assert json.loads(answer["response"]) == {"<CARD>": {"<CARD>": "stolen"}, "1234567812345678": 1}


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_a_card_number_as_a_field_of_the_body_is_not_repeated(client, path):
    for name in ("4111111111111111", "4111 1111 1111 1111", "x" * 100, "card_4111111111111111", "a@b.com"):
        answer = client.post(path, json={"message": "Is my card blocked?", name: 1}, headers=AUTH)
        assert answer.status_code == 422
        assert name not in answer.text
    named = client.post(path, json={"message": "Hi", "model": "x", "messages": [], "temperatures": 1}, headers=AUTH)
    assert named.status_code == 422


def test_what_a_browser_is_told_is_never_html(client: httpx.Client):
    answer = client.get("/<script>alert(1)</script>", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "application/json"
    assert "script" not in answer.text
