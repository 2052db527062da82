"""G4: what the model cannot read. The oldest turns go first; a question that is too long by itself is 422."""

import json

import httpx
import pytest

from banktuner_api.gateway import ASSISTANT, REJECTION
from banktuner_gateway.engine.capacity import Capacity, parse_capacity
from banktuner_gateway.scope.system_prompt import system_prompt
from tests.gateway.harness import AUTH, CHAT, vllm_models

COMPLETIONS = "/v1/chat/completions"
QUESTION = "What does it cost to take money out of a cash machine of another bank, and who charges it? " * 3


@pytest.fixture
def gateway(start_gateway, engine):
    """A gateway with its own system prompt before a model of 1,024 tokens; a pod is probed before it is asked."""
    engine.length = 1024
    with httpx.Client(base_url=start_gateway(scope={}), timeout=30) as client:
        assert client.get("/readyz").status_code == 200
        yield client


def test_a_long_conversation_goes_on_without_its_oldest_turns(gateway, engine):
    """Its default of 2,048 tokens of history is more than this model reads."""
    body, system = {}, {"role": "system", "content": system_prompt(ASSISTANT, REJECTION)}
    asked = [f"{number}. {QUESTION}" for number in range(12)]
    for question in asked:
        answer = gateway.post(CHAT, json={"message": question, **body}, headers=AUTH)
        assert answer.status_code == 200, answer.text
        body = {"conversation_id": answer.json()["conversation_id"]}
        first, *turns, last = engine.requests[-1][1]["messages"]
        assert (first, last["content"]) == (system, question)
        before = [one["content"] for one in turns if one["role"] == "user"]
        assert before == asked[asked.index(question) - len(before) : asked.index(question)]
    assert 0 < len(before) < len(asked) - 1


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (CHAT, {"message": "fees " * 1600}, "message"),
        (CHAT, {"message": "fees " * 1600, "stream": True}, "message"),
        (
            COMPLETIONS,
            {"model": "assistant", "messages": [{"role": "user", "content": "fees " * 6000}] * 2},
            "messages",
        ),
    ],
)
def test_a_question_that_the_model_cannot_read_is_422_before_it_is_asked(gateway, engine, path, body, field):
    answer = gateway.post(path, json=body, headers=AUTH)
    told = answer.json()["error"] if answer.status_code == 422 else json.loads(answer.text.split("data: ")[-1])["error"]
    assert (told["code"], told.get("field") or told.get("param")) == ("message_too_long", field)
    assert "768 tokens" in told["message"] and "fees" not in told["message"]
    assert engine.requests == []


def test_what_may_yet_fit_is_the_engines_to_judge(gateway, engine):
    answer = gateway.post(CHAT, json={"message": "fees " * 800}, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "message_not_accepted")
    assert answer.json()["error"]["field"] == "message"
    assert len(engine.requests) == 1


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
def test_an_answer_longer_than_the_model_is_422_and_one_longer_than_the_banks_is_cut(gateway, engine, field):
    question = {"model": "assistant", "messages": [{"role": "user", "content": "Is my card blocked?"}]}
    refused = gateway.post(COMPLETIONS, json=question | {field: 1025}, headers=AUTH)
    assert (refused.status_code, refused.json()["error"]["param"]) == (422, field)
    assert engine.requests == []
    assert gateway.post(COMPLETIONS, json=question | {field: 1024}, headers=AUTH).status_code == 200
    assert engine.requests[-1][1]["max_tokens"] == 256


TGI = {"model_id": "/work/model", "max_input_tokens": 1536, "max_total_tokens": 2048, "version": "3.3.6"}


@pytest.mark.parametrize(
    ("body", "capacity"),
    [
        (vllm_models(768), Capacity(768, 768)),
        (json.dumps(TGI).encode(), Capacity(2048, 1536)),
        (vllm_models(None), None),
        (json.dumps(TGI | {"max_input_tokens": "many"}).encode(), None),
        (b'{"data": []}', None),
        (b"[]", None),
        (b"7", None),
        (b"<html>", None),
        (b"[" * 100_000, None),
    ],
)
def test_what_an_engine_tells_of_its_model(body, capacity):
    assert parse_capacity(body) == capacity


@pytest.mark.parametrize(
    ("capacity", "answer", "room"),
    [(Capacity(2048, 2048), 256, 1792), (Capacity(2048, 1536), 256, 1536), (Capacity(128, 128), 256, 0)],
)
def test_the_room_beside_an_answer(capacity, answer, room):
    assert capacity.beside(answer) == room
