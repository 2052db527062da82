"""Everything at once: a question goes through classifier, search, model, masks, Valkey and record, or not at all."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest

from banktuner_api.gateway import ASSISTANT, REJECTION
from banktuner_gateway.scope.small_talk import GREETING
from tests.contract.harness import wait_for
from tests.gateway.conversations.valkey_server import ValkeyServer
from tests.gateway.harness import CHAT, TOKEN, Engine, events, gateway_config
from tests.gateway.process import free_port, start_process
from tests.gateway.scope.test_refused_answers import CLASSIFIER
from tests.gateway.scope.test_scope import CARD, FRANCE, GOOD
from tests.gateway.trail import decisions, verify
from tests.gateway.whole.conftest import REDIS, UNREADABLE, Replica, whole_pod

FROZEN = "Open Cards in the app. Your card is frozen."
PARIS = "The capital of France is Paris. Shakespeare wrote Hamlet."
IBAN = "DE89 3704 0044 0532 0130 00"
OPENAI = "/v1/chat/completions"
FORMS = pytest.mark.parametrize(("path", "stream"), [(CHAT, False), (CHAT, True), (OPENAI, False), (OPENAI, True)])


@dataclass(frozen=True)
class Said:
    """`shown`: what a client has shown at the end, piece by piece in a stream. `whole`: the JSON, of our own form."""

    shown: str
    refused: bool
    whole: dict[str, Any]


def ask(replica: Replica, question: str, path: str = CHAT, stream: bool = False, **options: str) -> Said:
    if path == OPENAI:
        return ask_openai(replica, question, stream)
    answer = replica.client.post(CHAT, json={"message": question, "stream": stream} | options)
    assert answer.status_code == 200, answer.text
    told = events(answer.text) if stream else [("answer", answer.json())]
    whole = told[-1][1]
    shown = "".join(data["text"] for kind, data in told if kind == "piece") if stream else whole["response"]
    return Said(shown, whole["refused"], whole)


def ask_openai(replica: Replica, question: str, stream: bool) -> Said:
    with openai.OpenAI(base_url=f"{replica.client.base_url}/v1", api_key=TOKEN, max_retries=0) as assistant:
        asked: dict[str, Any] = {"model": "assistant", "messages": [{"role": "user", "content": question}]}
        if not stream:
            [choice] = assistant.chat.completions.create(**asked).choices
            return Said(choice.message.content or "", choice.finish_reason == "content_filter", {})
        choices = [one.choices[0] for one in assistant.chat.completions.create(**asked, stream=True)]
        text = "".join(one.delta.content or "" for one in choices)
        return Said(text, choices[-1].finish_reason == "content_filter", {})


def recorded(replica: Replica) -> dict[str, Any]:
    """The last decision."""
    return decisions(replica.files)[-1]


def verdicts(decision: dict[str, Any]) -> list[tuple[str, str, str, str | None]]:
    return [(one["guard"], one["stage"], one["outcome"], one.get("reason")) for one in decision["verdicts"]]


BEFORE = [("privacy", "input", "pass", None), ("injection", "input", "pass", None)]
ASKED = [*BEFORE, ("scope", "input", "pass", "SCP-001")]
MASKED = ("privacy", "output", "pass", None)


@FORMS
def test_a_banks_business_is_answered_with_intent_and_sources(
    replicas: tuple[Replica, Replica], engine: Engine, path: str, stream: bool
) -> None:
    engine.says = FROZEN
    said = ask(replicas[0], CARD, path, stream)
    assert (said.shown, said.refused) == (FROZEN, False)
    system = engine.requests[-1][1]["messages"][0]
    assert system["role"] == "system" and "[1] Debit and credit cards - Freezing a card (cards.md)" in system["content"]
    last = recorded(replicas[0])
    assert (last["outcome"], last["status"], last["route"]) == ("answered", 200, path)
    assert verdicts(last) == [*ASKED, MASKED, ("scope", "output", "pass", "SCP-020")]
    assert {one["document"] for one in last["sources"]} == {"cards.md"} and len(last["sources"]) == 4
    if path == CHAT:
        whole = said.whole
        assert whole["response"] == FROZEN and whole["model"] == ASSISTANT and whole["adapter"] == "card-support"
        assert whole["intent"] == {"label": "card", "confidence": pytest.approx(0.993, abs=0.001)}
        assert [one["number"] for one in whole["sources"]] == [1, 2, 3, 4]
        assert whole["sources"][0]["section"] == "Freezing a card"
        assert (whole["conversation_id"], whole["request_id"]) == (last["conversation"], last["request_id"])


@FORMS
@pytest.mark.parametrize(
    ("question", "answer", "refused", "rule"),
    [(FRANCE, REJECTION, True, "SCP-010"), ("Hello!", GREETING, False, "SCP-003")],
)
def test_other_topics_and_small_talk_do_not_reach_the_model(
    replicas: tuple[Replica, Replica],
    engine: Engine,
    path: str,
    stream: bool,
    question: str,
    answer: str,
    refused: bool,
    rule: str,
) -> None:
    said = ask(replicas[0], question, path, stream)
    assert (said.shown, said.refused) == (answer, refused)
    assert engine.requests == []
    last = recorded(replicas[0])
    assert last["outcome"] == ("refused" if refused else "answered") and "sources" not in last
    assert verdicts(last) == [*BEFORE, ("scope", "input", "refuse" if refused else "pass", rule)]
    if path == CHAT:
        assert (said.whole["sources"], said.whole["conversation_id"]) == ([], None)
        assert (said.whole["intent"] is None) == (not refused)


@FORMS
def test_an_answer_of_another_topic_is_refused(
    replicas: tuple[Replica, Replica], engine: Engine, path: str, stream: bool
) -> None:
    engine.says = PARIS
    said = ask(replicas[0], CARD, path, stream)
    assert (said.shown, said.refused) == (REJECTION, True)
    assert said.whole.get("sources", []) == []
    last = recorded(replicas[0])
    assert last["outcome"] == "refused" and len(last["sources"]) == 4, "what the model was given"
    assert verdicts(last) == [*ASKED, ("scope", "output", "refuse", "SCP-030")]


@FORMS
def test_an_answer_that_drifts_to_another_topic_ends_there(
    replicas: tuple[Replica, Replica], engine: Engine, path: str, stream: bool
) -> None:
    engine.says = f"{GOOD} {PARIS} Roses are red."
    said = ask(replicas[0], CARD, path, stream)
    assert said.refused and "Paris" not in said.shown
    assert GOOD.startswith(said.shown) and said.shown.startswith("Open Cards") if stream else said.shown == REJECTION
    assert said.whole.get("response", REJECTION) == REJECTION
    assert verdicts(recorded(replicas[0]))[-1] == ("scope", "output", "refuse", "SCP-030")


def test_another_replica_goes_on_with_the_conversation(
    replicas: tuple[Replica, Replica], engine: Engine, valkey: ValkeyServer
) -> None:
    first, second = replicas
    begun = ask(first, f"How do I transfer money to {IBAN}?").whole["conversation_id"]
    engine.says = "Transfers to <IBAN_1> arrive on the next working day."
    said = ask(second, "And how long does it take?", stream=True, conversation_id=begun)
    assert said.shown == f"Transfers to {IBAN} arrive on the next working day."
    assert said.whole["conversation_id"] == begun == recorded(second)["conversation"]
    told = [one["content"] for one in engine.requests[-1][1]["messages"][1:]]
    assert told[0] == "How do I transfer money to <IBAN_1>?" and told[-1] == "And how long does it take?"
    assert "DE89" not in json.dumps(engine.requests)
    assert ("scope", "input", "pass", "SCP-002") in verdicts(recorded(second))
    ask(first, f"How do I transfer money from {IBAN.replace(' ', '')}?", conversation_id=begun)
    asked = engine.requests[-1][1]["messages"]
    assert asked[-1]["content"] == "How do I transfer money from <IBAN_1>?" and len(asked) == 6
    assert first.client.delete(f"/api/v1/conversations/{begun}").status_code == 204
    gone = second.client.post(CHAT, json={"message": CARD, "conversation_id": begun})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "unknown_conversation")
    with valkey.client() as client:
        kept = [key for key in client.scan_iter() if begun.encode() in key]
    assert kept == []


@FORMS
def test_a_question_that_the_classifier_cannot_read_is_not_answered(
    replicas: tuple[Replica, Replica], engine: Engine, path: str, stream: bool
) -> None:
    question = f"How do I freeze my {UNREADABLE} card?"
    messages = [{"role": "user", "content": question}]
    body = {"message": question} if path == CHAT else {"model": "assistant", "messages": messages}
    answer = replicas[0].client.post(path, json=body | {"stream": stream})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "guard_unavailable")
    assert answer.headers["retry-after"] and engine.requests == []
    last = recorded(replicas[0])
    assert (last["outcome"], last["status"], last["error_code"]) == ("failed", 503, "guard_unavailable")
    assert verdicts(last) == BEFORE
    assert not ask(replicas[0], CARD, path, stream).refused, "the next one is answered"


@FORMS
def test_an_answer_that_the_classifier_cannot_read_does_not_leave(
    replicas: tuple[Replica, Replica], engine: Engine, path: str, stream: bool
) -> None:
    engine.says = f"The {UNREADABLE} eats your card. "
    messages = [{"role": "user", "content": CARD}]
    body = {"message": CARD} if path == CHAT else {"model": "assistant", "messages": messages}
    answer = replicas[0].client.post(path, json=body | {"stream": stream})
    assert "guard_unavailable" in answer.text and UNREADABLE not in answer.text
    assert stream or answer.status_code == 503
    last = recorded(replicas[0])
    assert (last["outcome"], last["error_code"]) == ("failed", "guard_unavailable")


def test_without_valkey_nothing_of_a_conversation_is_answered_until_it_is_back(
    replicas: tuple[Replica, Replica], engine: Engine, valkey: ValkeyServer
) -> None:
    [first, second] = replicas
    begun = ask(first, CARD).whole["conversation_id"]
    engine.requests.clear()
    valkey.stop()
    try:
        for options in ({}, {"conversation_id": begun}, {"stream": True}):
            answer = first.client.post(CHAT, json={"message": CARD} | options)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "conversations_unavailable")
        assert engine.requests == []
        assert recorded(first)["error_code"] == "conversations_unavailable"
        ready = second.client.get("/readyz")
        assert ready.status_code == 503 and "Redis" in " ".join(ready.json()["reasons"])
        assert second.client.get("/healthz").status_code == 200
        assert not ask(first, CARD, OPENAI).refused, "the OpenAI form keeps no conversation"
    finally:
        valkey.start()
    wait_for(lambda: second.client.get("/readyz").status_code == 200, 60, "readiness")
    begun = ask(first, CARD).whole["conversation_id"]
    assert ask(second, "And how long does it take?", conversation_id=begun).whole["conversation_id"] == begun


def test_records_are_whole_and_logs_are_lines_of_json_without_a_customers_words(
    replicas: tuple[Replica, Replica], engine: Engine
) -> None:
    """After the tests above."""
    ask(replicas[0], f"How do I transfer money to {IBAN}?")
    for one in replicas:
        assert verify(one.files).returncode == 0
        lines = [json.loads(line) for line in one.log.read_text().splitlines()]
        assert any(line["message"] == "request" for line in lines)
        for word in ("DE89", UNREADABLE, "freeze", "100000"):
            assert word not in one.log.read_text() + "".join(map(str, decisions(one.files)))


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        (None, "secrets/redis/url: missing, though spec.gateway.conversations.store is Redis"),
        ("127.0.0.1:6379", "spec.gateway.conversations.redisSecretRef: url: must begin with one of redis://"),
        ("redis://:hunter2@127.0.0.1:port", "spec.gateway.conversations.redisSecretRef: url: not the address of a"),
    ],
)
def test_without_a_usable_address_of_redis_it_does_not_start(tmp_path: Path, url: str | None, complaint: str) -> None:
    files = whole_pod(tmp_path, gateway_config(9, scope=CLASSIFIER, conversations=REDIS).to_json(), url or "")
    if url is None:
        (files / "secrets" / "redis" / "url").unlink()
    assert complaint in refusal_to_start(files)


@pytest.mark.parametrize("broken", ["classifier.onnx", "classifier.json", "tokenizer.json"])
def test_without_a_usable_classifier_it_does_not_start(tmp_path: Path, broken: str) -> None:
    files = whole_pod(tmp_path, gateway_config(9, scope=CLASSIFIER).to_json(), "")
    (files / "work" / "classifier" / broken).write_text("{")
    assert "spec.gateway.scope.classifier: the model cannot be used" in refusal_to_start(files)


def refusal_to_start(files: Path) -> str:
    """What a process says that ends at once."""
    running = start_process(files, free_port())
    try:
        output, _ = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 2
    assert "hunter2" not in output
    return str(json.loads(output)["message"])
