"""What the record tells of what was served: digests of what left and of all that was sent, verdicts, and every end."""

import logging
from contextlib import asynccontextmanager

import httpx
import pytest

from banktuner_api.gateway import REJECTION
from banktuner_gateway.audit.keys import AuditKey
from banktuner_gateway.conversations.memory import MemoryStore
from banktuner_gateway.engine.client import EngineClient
from banktuner_gateway.engine.messages import Delta
from banktuner_gateway.observability import JsonFormatter
from banktuner_gateway.pipeline import prepare
from tests.gateway.harness import AUTH, CHAT, events
from tests.gateway.test_chat_streams import wait_for
from tests.gateway.trail import KEY, VOLUME, decisions, make_trail, verify

COMPLETIONS = "/v1/chat/completions"
QUESTION = {"message": "Is my card blocked?"}
ASKED = {"model": "assistant", "messages": [{"role": "user", "content": "Is my card blocked?"}]}
OWN, NEW = "5500 0055 5555 5559", "4111111111111111"
WORDS = "what the customer wrote"
FIRST_PIECE = (
    f"The fee of <CARD_1> is two dollars. Your new card is {NEW} as of today. It comes by post within a week from now, "
    "to the address that we know. More comes"
).replace(" ", "\n")
"""The engine of the tests cuts its answer at spaces: this is one piece."""


def digest(purpose: str, text: str) -> str:
    return AuditKey(KEY.encode()).text_digest(purpose, text)


def verdicts(decision: dict, stage: str = "output") -> dict[str, tuple[str, dict]]:
    return {
        one["guard"]: (one["outcome"], one.get("counts", {})) for one in decision["verdicts"] if one["stage"] == stage
    }


def raising(*_):
    raise RuntimeError(WORDS)


@asynccontextmanager
async def breaking_stream(*_):
    """Of an engine's client: a piece, and then what nobody expected."""

    async def deltas():
        yield Delta("The fee for a transfer is two dollars. It is taken at once from you. And")
        raise RuntimeError(WORDS)

    yield deltas(), "card-support-aaaaaaaaaaaa"


@pytest.mark.parametrize(("path", "body"), [(CHAT, QUESTION), (COMPLETIONS, ASKED)])
@pytest.mark.parametrize("stream", [False, True])
def test_what_nobody_expected_is_recorded_before_it_is_answered(audited, monkeypatch, caplog, path, body, stream):
    address, files = audited
    monkeypatch.setattr(EngineClient, "complete", raising)
    monkeypatch.setattr(EngineClient, "stream", raising)
    with httpx.Client(base_url=address) as client:
        answer = client.post(path, json=body | {"stream": stream}, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    last = decisions(files)[-1]
    told = (last["outcome"], last["status"], last["error_code"], last["event"])
    assert told == ("failed", 500, "internal_error", "stream_ended" if stream else "decision")
    assert last["request_digest"] == digest("request", "Is my card blocked?") and "response_digest" not in last
    [logged] = [JsonFormatter().format(one) for one in caplog.records if one.levelno == logging.ERROR]
    assert '"exception": "RuntimeError"' in logged and "test_records.py" in logged
    assert WORDS not in logged + answer.text


@pytest.mark.parametrize(("path", "body"), [(CHAT, QUESTION), (COMPLETIONS, ASKED)])
def test_what_nobody_expected_in_a_stream_ends_it_with_an_error(audited, monkeypatch, path, body):
    address, files = audited
    monkeypatch.setattr(EngineClient, "stream", breaking_stream)
    with httpx.Client(base_url=address) as client:
        answer = client.post(path, json=body | {"stream": True}, headers=AUTH)
    assert answer.status_code == 200 and '"internal_error"' in answer.text.strip().split("\n\n")[-1]
    last = decisions(files)[-1]
    assert (last["event"], last["outcome"], last["status"]) == ("stream_ended", "failed", 500)
    assert verdicts(last)["privacy"] == ("pass", {})
    if path == CHAT:
        assert last["response_digest"] == digest("response", said(answer.text))
    assert verify(files).returncode == 0


def said(text: str) -> str:
    """What the pieces of a stream in the chat's form say."""
    return "".join(data["text"] for kind, data in events(text) if kind == "piece")


def test_a_guard_that_fails_is_recorded_and_logged(audited, monkeypatch, caplog):
    address, files = audited
    monkeypatch.setattr(prepare, "inspect_turns", raising)
    with httpx.Client(base_url=address) as client:
        answer = client.post(CHAT, json=QUESTION, headers=AUTH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
    last = decisions(files)[-1]
    assert (last["outcome"], last["status"], last["error_code"]) == ("failed", 503, "guard_unavailable")
    [logged] = [JsonFormatter().format(one) for one in caplog.records if one.levelno == logging.ERROR]
    assert '"exception": "RuntimeError"' in logged and WORDS not in logged


def test_what_nobody_expected_beside_a_question_is_recorded_too(audited, monkeypatch):
    address, files = audited
    monkeypatch.setattr(MemoryStore, "erase", raising)
    with httpx.Client(base_url=address) as client:
        assert client.delete("/api/v1/conversations", headers=AUTH).status_code == 500
    [told] = decisions(files)
    assert (told["outcome"], told["status"], told["error_code"]) == ("failed", 500, "internal_error")
    assert (told["caller"], told["route"]) == ("teller", "/api/v1/conversations")


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_masked_in_an_answer_is_a_verdict(audited, engine, stream):
    address, files = audited
    with httpx.Client(base_url=address) as client:
        client.post(CHAT, json=QUESTION | {"stream": stream}, headers=AUTH)
        assert verdicts(decisions(files)[-1])["privacy"] == ("pass", {})
        engine.says = f"Your cards are {NEW} and {NEW}, your address is anna@example.com now."
        client.post(CHAT, json=QUESTION | {"stream": stream}, headers=AUTH)
    last = decisions(files)[-1]
    assert verdicts(last)["privacy"] == ("mask", {"CARD": 2, "EMAIL": 1})
    masked = "Your cards are <CARD> and <CARD>, your address is <EMAIL> now."
    assert last["response_digest"] == digest("response", masked)


def test_where_nothing_is_masked_no_verdict_says_so(files, start_gateway):
    make_trail(files)
    message = " ".join(f"<KIND{number}_1>" for number in range(70)) + " Is my card blocked?"
    with httpx.Client(
        base_url=start_gateway(audit=VOLUME, privacy={"maskInput": False, "maskOutput": False})
    ) as client:
        assert client.post(CHAT, json={"message": message}, headers=AUTH).status_code == 200
    [told] = decisions(files)
    assert "privacy" not in {one["guard"] for one in told["verdicts"]}


def test_who_leaves_a_stream_has_got_what_the_record_says(audited, engine):
    address, files = audited
    engine.says, engine.mode = f"{FIRST_PIECE} later", "stream hang"
    body = {"message": f"What does my card {OWN} cost?", "stream": True}
    got = ""
    with httpx.Client(base_url=address) as client, client.stream("POST", CHAT, json=body, headers=AUTH) as answer:
        for text in answer.iter_text():
            got += text
            if "event: piece" in got and got.endswith("\n\n"):
                break
    wait_for(lambda: decisions(files)[-1]["outcome"] == "cancelled")
    last = decisions(files)[-1]
    assert OWN in said(got) and "<CARD>" in said(got)
    assert last["response_digest"] == digest("response", said(got).replace(OWN, "<CARD_1>"))
    assert verdicts(last)["privacy"] == ("mask", {"CARD": 1}) and verdicts(last)["scope"][0] == "pass"
    assert verify(files).returncode == 0


def test_who_leaves_before_anything_came_has_got_nothing(audited, engine):
    address, files = audited
    engine.says, engine.mode = "The fee", "stream hang"
    with httpx.Client(base_url=address) as client:
        with client.stream("POST", CHAT, json=QUESTION | {"stream": True}, headers=AUTH) as answer:
            next(answer.iter_bytes())
        wait_for(lambda: decisions(files)[-1]["outcome"] == "cancelled")
    last = decisions(files)[-1]
    assert "response_digest" not in last and verdicts(last) == {}


def test_a_stream_that_breaks_is_recorded_with_what_had_left(audited, engine):
    address, files = audited
    engine.says, engine.mode = f"{FIRST_PIECE} later", "stream cut"
    with httpx.Client(base_url=address) as client:
        answer = client.post(CHAT, json=QUESTION | {"stream": True}, headers=AUTH)
    last = decisions(files)[-1]
    assert (last["outcome"], last["status"]) == ("failed", 502)
    assert said(answer.text) and last["response_digest"] == digest("response", said(answer.text))
    assert verdicts(last)["privacy"] == ("mask", {"CARD": 1})


def test_a_stream_refused_half_way_is_recorded_with_what_had_left(files, start_gateway, engine):
    make_trail(files)
    with httpx.Client(base_url=start_gateway(audit=VOLUME, scope={})) as client:
        client.post(CHAT, json=QUESTION, headers=AUTH)
        system = engine.requests[-1][1]["messages"][0]["content"]
        engine.says = "Your\ncard\nis\nnot\nblocked.\nYou\ncan\nuse\nit. " + system.split("\n")[0]
        answer = client.post(CHAT, json=QUESTION | {"stream": True}, headers=AUTH)
    whole = events(answer.text)[-1][1]
    assert (whole["response"], whole["refused"]) == (REJECTION, True)
    last = decisions(files)[-1]
    assert last["outcome"] == "refused" and verdicts(last)["leak"][0] == "refuse"
    assert said(answer.text).startswith("Your\ncard") and REJECTION not in said(answer.text)
    assert last["response_digest"] == digest("response", said(answer.text))


def test_all_that_a_client_sent_is_digested(audited):
    """And the question alone as before, so that a known question is found however it was asked."""
    address, files = audited
    turns = [
        {"role": "system", "content": "You are a “pirate”."},
        {"role": "user", "content": f"My card is {NEW}"},
        {"role": "assistant", "content": "Aye."},
    ]
    question = {"role": "user", "content": f"Is {NEW} blocked?"}
    with httpx.Client(base_url=address) as client:
        for messages in ([question], [*turns, question], [*turns[:2], turns[2] | {"content": "No."}, question]):
            body = {"model": "assistant", "messages": messages}
            assert client.post(COMPLETIONS, json=body, headers=AUTH).status_code == 200
    alone, told, other = decisions(files)
    assert "earlier_digest" not in alone and verdicts(alone, "input")["privacy"] == ("mask", {"CARD": 1})
    earlier = '[["user","You are a “pirate”."],["user","My card is <CARD_1>"],["assistant","Aye."]]'
    assert told["earlier_digest"] == digest("earlier", earlier) != other["earlier_digest"]
    assert verdicts(told, "input")["privacy"] == ("mask", {"CARD": 2})
    assert {one["request_digest"] for one in (alone, told, other)} == {digest("request", "Is <CARD_1> blocked?")}
