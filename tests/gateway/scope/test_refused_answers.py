"""Answers that become the refusal, whole and streamed, in both forms: leaks, other topics, the model's own refusal."""

import json

import httpx
import pytest

from banktuner_api.gateway import REJECTION
from banktuner_gateway.pipeline.outgoing import says_the_same
from tests.gateway.harness import AUTH, CHAT, events
from tests.gateway.scope.conftest import write_artifact
from tests.gateway.trail import VOLUME, decisions, make_trail

COMPLETIONS = "/v1/chat/completions"
QUESTION = "How do I freeze my card?"
PARIS = "The capital of France is Paris. Shakespeare wrote Hamlet."
CLASSIFIER = {"classifier": {"uri": "s3://bank/intents", "digest": f"sha256:{'c' * 64}"}}
FORMS = pytest.mark.parametrize(
    ("path", "stream"), [(CHAT, False), (CHAT, True), (COMPLETIONS, False), (COMPLETIONS, True)]
)


def ask(client: httpx.Client, path: str, stream: bool) -> httpx.Response:
    messages = [{"role": "user", "content": QUESTION}]
    body = {"message": QUESTION} if path == CHAT else {"model": "assistant", "messages": messages}
    answer = client.post(path, json=body | {"stream": stream}, headers=AUTH)
    assert answer.status_code == 200
    return answer


def told(path: str, stream: bool, answer: httpx.Response) -> tuple[str, bool]:
    """The text that a client shows, and whether it is told of a refusal; a stream's pieces are what its end says."""
    if path == CHAT:
        whole = events(answer.text)[-1][1] if stream else answer.json()
        pieces = [data["text"] for kind, data in events(answer.text) if kind == "piece"] if stream else []
        assert not stream or "".join(pieces) == whole["response"]
        assert whole["sources"] == []
        return whole["response"], whole["refused"]
    if not stream:
        [choice] = answer.json()["choices"]
        return choice["message"]["content"], choice["finish_reason"] == "content_filter"
    lines = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    choices = [json.loads(line)["choices"][0] for line in lines]
    assert choices[0]["delta"]["role"] == "assistant"
    text = "".join(one["delta"].get("content", "") for one in choices)
    return text, choices[-1]["finish_reason"] == "content_filter"


@pytest.fixture
def address(files, start_gateway) -> str:
    """Of a gateway without a classifier that keeps records."""
    make_trail(files)
    return start_gateway(audit=VOLUME, scope={})


@FORMS
def test_a_leaked_prompt_becomes_the_refusal(files, address, engine, path, stream):
    with httpx.Client(base_url=address) as client:
        ask(client, path, stream)
        engine.says = engine.requests[-1][1]["messages"][0]["content"].split("\n")[0]
        assert told(path, stream, ask(client, path, stream)) == (REJECTION, True)
    last = decisions(files)[-1]
    assert last["outcome"] == "refused"
    assert [(one["guard"], one["outcome"]) for one in last["verdicts"] if one["stage"] == "output"] == [
        ("leak", "refuse"),
        ("scope", "pass"),
    ]


@FORMS
def test_an_answer_of_another_topic_becomes_the_refusal(files, start_gateway, engine, path, stream):
    make_trail(files)
    write_artifact(files / "work" / "classifier")
    engine.says = PARIS
    with httpx.Client(base_url=start_gateway(audit=VOLUME, scope=CLASSIFIER)) as client:
        assert told(path, stream, ask(client, path, stream)) == (REJECTION, True)
    last = decisions(files)[-1]
    assert last["outcome"] == "refused"
    output = [(one["guard"], one["outcome"], one["reason"]) for one in last["verdicts"] if one["stage"] == "output"]
    assert output == [("scope", "refuse", "SCP-030")]


@FORMS
@pytest.mark.parametrize("classifier", [False, True])
def test_the_models_own_refusal_is_one(files, start_gateway, engine, path, stream, classifier):
    make_trail(files)
    write_artifact(files / "work" / "classifier")
    engine.says = REJECTION
    with httpx.Client(base_url=start_gateway(audit=VOLUME, scope=CLASSIFIER if classifier else {})) as client:
        assert told(path, stream, ask(client, path, stream)) == (REJECTION, True)
    last = decisions(files)[-1]
    assert last["outcome"] == "refused"
    scope = [one for one in last["verdicts"] if one["guard"] == "scope" and one["stage"] == "output"]
    assert [(one["outcome"], one["reason"]) for one in scope] == [("refuse", "SCP-021")]


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (REJECTION, True),
        (f'\n "{REJECTION}"\n', True),
        (REJECTION.replace("'", "\u2019").upper(), True),
        (f"{REJECTION} Your card is frozen.", False),
        (REJECTION.partition(". ")[0], False),
        (f"{REJECTION} " * 2, False),
        ("", False),
    ],
)
def test_what_is_the_refusal_word_for_word(said: str, same: bool) -> None:
    assert says_the_same(said, REJECTION) is same
