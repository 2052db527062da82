"""The OpenAI form, asked by OpenAI's own client: answers, streams, models, errors, and what ends a stream."""

import json
import time

import httpx
import openai
import pytest

from tests.gateway.harness import AUTH, TOKEN, desired, write_desired

PATH = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "How do I freeze my card?"}]
QUESTION = {"model": "assistant", "messages": MESSAGES}
SERVED = "card-support-aaaaaaaaaaaa"
SAID = f"{SERVED} says How do I freeze my card?"


@pytest.fixture
def assistant(client):
    with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key=TOKEN, max_retries=0) as made:
        yield made


def test_a_whole_answer(assistant, engine):
    answer = assistant.chat.completions.create(**QUESTION, max_tokens=7, temperature=0.5, stop=["END"], seed=3)
    assert answer.choices[0].message.content == SAID
    assert (answer.choices[0].finish_reason, answer.model, answer.object) == ("stop", "assistant", "chat.completion")
    _, question = engine.requests[-1]
    sampling = {"temperature": 0.5, "stop": ["END"], "seed": 3}
    assert question == {"model": SERVED, "messages": MESSAGES, "max_tokens": 7, **sampling}


def test_an_answer_in_pieces(assistant):
    stream = assistant.chat.completions.create(**QUESTION, stream=True, stream_options={"include_usage": True})
    pieces = list(stream)
    assert "".join(one.choices[0].delta.content or "" for one in pieces if one.choices) == SAID
    assert pieces[0].choices[0].delta.role == "assistant"
    assert [one.choices[0].finish_reason for one in pieces if one.choices][-1] == "stop"
    assert pieces[-1].usage.completion_tokens == len(SAID.split())
    assert len({one.id for one in pieces}) == 1


def test_without_the_wish_a_stream_tells_no_usage(assistant):
    assert all(one.usage is None for one in assistant.chat.completions.create(**QUESTION, stream=True))


def test_the_models_are_the_assistant_its_base_and_the_adapters(assistant, engine):
    assert [one.id for one in assistant.models.list()] == ["assistant", "assistant-base", "card-support"]
    for model, asked in (("assistant-base", "assistant"), ("card-support", SERVED)):
        assistant.chat.completions.create(model=model, messages=MESSAGES)
        assert engine.requests[-1][1]["model"] == asked


def test_one_model_can_be_looked_up(assistant):
    for listed in assistant.models.list():
        found = assistant.models.retrieve(listed.id)
        assert (found.id, found.object, found.owned_by) == (listed.id, "model", "assistant")
    with pytest.raises(openai.NotFoundError) as unknown:
        assistant.models.retrieve("gpt-4")
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")


def test_a_caller_sees_the_models_that_it_may_ask(start_gateway):
    """By the adapter that answers: the assistant's own name stands for one."""
    rules = [{"adapter": "card-support", "groups": ["somebody-else"]}]
    with openai.OpenAI(base_url=f"{start_gateway(access=rules)}/v1", api_key=TOKEN, max_retries=0) as assistant:
        assert [one.id for one in assistant.models.list()] == ["assistant-base"]
        assert assistant.models.retrieve("assistant-base").id == "assistant-base"
        for hidden in ("assistant", "card-support"):
            for use in (
                assistant.models.retrieve,
                lambda m: assistant.chat.completions.create(model=m, messages=MESSAGES),
            ):
                with pytest.raises(openai.PermissionDeniedError) as refused:
                    use(hidden)
                assert (refused.value.code, refused.value.param) == ("adapter_forbidden", "model")


NO_EFFECT = {
    **dict.fromkeys(("n", "seed", "stop", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stream")),
    **dict.fromkeys(("frequency_penalty", "presence_penalty", "stream_options", "user", "tools", "tool_choice")),
    **dict.fromkeys(("functions", "function_call", "parallel_tool_calls", "logprobs", "top_logprobs", "logit_bias")),
    **dict.fromkeys(("response_format", "modalities", "audio", "prediction", "web_search_options", "verbosity")),
    **dict.fromkeys(("reasoning_effort", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key")),
}
SAYS_NOTHING = {
    "n": 1,
    "tools": [],
    "tool_choice": "none",
    "parallel_tool_calls": True,
    "logprobs": False,
    "logit_bias": {},
    "response_format": {"type": "text"},
    "modalities": ["text"],
    "store": False,
    "metadata": {"team": "branch"},
    "service_tier": "auto",
    "user": "teller-7",
    "safety_identifier": "teller-7",
    "stream": False,
}


@pytest.mark.parametrize("fields", [NO_EFFECT, SAYS_NOTHING], ids=["null", "no-op"])
def test_what_asks_for_nothing_changes_nothing(assistant, engine, fields):
    answer = assistant.chat.completions.create(**QUESTION, extra_body=fields)
    assert answer.choices[0].message.content == SAID
    _, question = engine.requests[-1]
    assert question == {"model": SERVED, "messages": MESSAGES, "max_tokens": 256, "temperature": 0}


def test_a_stream_without_obfuscation(assistant):
    options = {"include_usage": True, "include_obfuscation": False}
    *_, last = assistant.chat.completions.create(**QUESTION, stream=True, stream_options=options)
    assert last.usage.completion_tokens == len(SAID.split())


def test_an_answer_can_be_sent_back_as_the_client_has_it(assistant, engine):
    said = assistant.chat.completions.create(**QUESTION).choices[0].message
    for before in (said, said.model_dump()):
        assistant.chat.completions.create(model="assistant", messages=[*MESSAGES, before, *MESSAGES])
        assert engine.requests[-1][1]["messages"][1] == {"role": "assistant", "content": SAID}


def test_without_a_default_adapter_the_assistant_is_the_base_model(files, start_gateway, engine):
    write_desired(files, desired(defaultAdapter=None))
    with openai.OpenAI(base_url=f"{start_gateway()}/v1", api_key=TOKEN, max_retries=0) as assistant:
        assert [one.id for one in assistant.models.list()] == ["assistant", "card-support"]
        assistant.chat.completions.create(**QUESTION)
    assert engine.requests[-1][1]["model"] == "assistant"


def test_the_answer_is_never_longer_than_the_bank_allows(assistant, engine):
    assistant.chat.completions.create(**QUESTION, max_tokens=1_000_000)
    assert engine.requests[-1][1]["max_tokens"] == 256


def test_a_clients_system_message_does_not_speak_as_the_system(assistant, engine):
    system = {"role": "system", "content": "You are a pirate."}
    assistant.chat.completions.create(model="assistant", messages=[system, *MESSAGES])
    assert {one["role"] for one in engine.requests[-1][1]["messages"]} == {"user"}


def test_text_parts_are_one_text_and_pictures_are_refused(assistant, engine):
    parts = [{"type": "text", "text": "How do I "}, {"type": "text", "text": "freeze my card?"}]
    assistant.chat.completions.create(model="assistant", messages=[{"role": "user", "content": parts}])
    assert engine.requests[-1][1]["messages"] == MESSAGES
    picture = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        assistant.chat.completions.create(model="assistant", messages=[{"role": "user", "content": picture}])
    assert refused.value.param == "messages.0.content"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"n": 2}, "n"),
        ({"stop": ["x"] * 5}, "stop"),
        ({"stop": "x" * 100}, "stop"),
        ({"seed": -1}, "seed"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [{}]}]}, "messages.0.tool_calls"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "x" * 40_000}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": "x"}] * 201}, "messages"),
    ],
)
def test_what_is_out_of_bounds_is_422_and_names_the_field(client, engine, changes, param):
    body = json.dumps(QUESTION | changes)
    answer = client.post(PATH, content=body, headers=AUTH | {"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["param"].startswith(param)
    assert engine.requests == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tools", [{"type": "function", "function": {"name": "transfer"}}]),
        ("tool_choice", "required"),
        ("logprobs", True),
        ("top_logprobs", 3),
        ("logit_bias", {"50256": -100}),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("store", True),
        ("reasoning_effort", "high"),
        ("made_up", None),
    ],
)
def test_what_would_change_the_answer_and_cannot_be_had_is_refused_by_name(client, engine, field, value):
    answer = client.post(PATH, json=QUESTION | {field: value}, headers=AUTH)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"].partition(".")[0]) == (422, "unsupported_field", field)
    assert engine.requests == []


def test_errors_are_those_that_the_client_knows(client, assistant, engine):
    with openai.OpenAI(base_url=f"{client.base_url}/v1", api_key="wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError):
            stranger.chat.completions.create(**QUESTION)
        with pytest.raises(openai.AuthenticationError):
            stranger.models.list()
    with pytest.raises(openai.NotFoundError) as unknown:
        assistant.chat.completions.create(model="gpt-4", messages=MESSAGES)
    assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
    engine.mode = "500"
    with pytest.raises(openai.InternalServerError) as broken:
        assistant.chat.completions.create(**QUESTION, stream=True)
    assert broken.value.status_code == 502
    assert "secret-internal-host" not in str(broken.value)


@pytest.mark.parametrize("mode", ["stream cut", "stream garbage"])
def test_a_stream_that_breaks_ends_with_an_error_and_leaks_nothing(client, engine, mode):
    engine.mode = mode
    answer = client.post(PATH, json=QUESTION | {"stream": True}, headers=AUTH)
    events = [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]
    assert json.loads(events[-1])["error"]["code"] == "engine_error"
    assert "secret-internal-host" not in answer.text
    assert len(engine.requests) == 1


def test_a_stream_that_stands_still_ends_with_an_error_in_time(start_gateway, engine):
    engine.mode = "stream hang"
    with httpx.Client(base_url=start_gateway(requestTimeoutSeconds=2)) as client:
        started = time.monotonic()
        answer = client.post(PATH, json=QUESTION | {"stream": True}, headers=AUTH)
    assert '"engine_timeout"' in answer.text
    assert time.monotonic() - started < 30
    assert engine.abandoned.wait(30)


def test_a_client_that_leaves_a_stream_frees_the_engine_before_its_time_is_over(client, engine):
    engine.mode = "stream hang"
    with client.stream("POST", PATH, json=QUESTION | {"stream": True}, headers=AUTH) as answer:
        pieces = answer.iter_bytes()
        next(pieces)
        assert not engine.abandoned.is_set()
    assert engine.abandoned.wait(10)
    engine.mode = "ok"
    assert client.post(PATH, json=QUESTION, headers=AUTH).status_code == 200
