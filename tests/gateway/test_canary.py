"""A new version of an adapter beside the one that answers: who gets it, and what the record tells."""

import json
from collections import Counter

import httpx
import pytest

from tests.gateway.harness import AUTH, CHAT, adapter, canary, desired, write_desired

OLD, NEW = "card-support-aaaaaaaaaaaa", "card-support-bbbbbbbbbbbb"
QUESTION = {"message": "Is my card blocked?"}


@pytest.fixture
def baking(files, start_gateway, engine):
    """Address of a gateway that tries a new version with half of the conversations; its files."""
    (files / "secrets" / "audit").mkdir(parents=True)
    (files / "secrets" / "audit" / "key").write_text("0123456789abcdef0123456789abcdef")
    (files / "audit").mkdir()
    write_desired(files, desired(canaries=[canary("card-support", "b", 50)]))
    engine.models.add(NEW)
    with httpx.Client(base_url=start_gateway(audit={"sink": "Volume"}), timeout=30) as client:
        yield client, files


def decisions(files) -> list[dict]:
    lines = [line for file in (files / "audit").rglob("*.jsonl") for line in file.read_text().splitlines()]
    return [one["data"] for one in map(json.loads, lines) if one["event"] in ("decision", "stream_ended")]


def test_a_conversation_keeps_its_version_by_every_name_and_the_record_tells_which(baking):
    client, files = baking
    answered = Counter()
    for _ in range(16):
        first = client.post(CHAT, json=QUESTION, headers=AUTH).json()
        model = first["response"].split()[0]
        answered[model] += 1
        again = {**QUESTION, "conversation_id": first["conversation_id"], "adapter": "card-support"}
        assert client.post(CHAT, json=again, headers=AUTH).json()["response"].split()[0] == model
        streamed = client.post(CHAT, json={**again, "stream": True}, headers=AUTH).text
        assert model in streamed
    assert set(answered) == {OLD, NEW}, "sixteen fair draws give one side alone once in 32,768 times"
    digests = {OLD: "sha256:" + "a" * 64, NEW: "sha256:" + "b" * 64}
    told = decisions(files)
    assert Counter(one["model"] for one in told) == {model: 3 * count for model, count in answered.items()}
    assert all(one["adapter_digest"] == digests[one["model"]] for one in told)


def test_a_caller_of_openais_form_keeps_its_version(baking, engine):
    client, _ = baking
    messages = [{"role": "user", "content": "Is my card blocked?"}]
    for model in ("assistant", "card-support") * 3:
        answer = client.post("/v1/chat/completions", json={"model": model, "messages": messages}, headers=AUTH)
        assert answer.status_code == 200
    assert len({question["model"] for _, question in engine.requests}) == 1


@pytest.mark.parametrize("missing", [OLD, NEW])
def test_what_the_engine_does_not_have_is_answered_by_the_other_version(baking, engine, missing):
    """A pod that starts, and the moment between a canary's end and the gateway's hearing of it."""
    client, files = baking
    engine.models.discard(missing)
    (other,) = {OLD, NEW} - {missing}
    for _ in range(12):
        answer = client.post(CHAT, json=QUESTION, headers=AUTH)
        assert answer.json()["response"].split()[0] == other
    digests = {OLD: "sha256:" + "a" * 64, NEW: "sha256:" + "b" * 64}
    assert {one["adapter_digest"] for one in decisions(files)} == {digests[other]}


def test_a_canary_that_ends_leaves_one_version_to_all(files, agent, start_gateway, engine):
    engine.models.add(NEW)
    agent.tell(desired("r2", canaries=[canary("card-support", "b", 50)]))
    with httpx.Client(base_url=start_gateway(agentUrl=f"https://127.0.0.1:{agent.server_port}"), timeout=30) as client:
        _until(client, {OLD, NEW})
        agent.tell(desired("r3", adapters=[adapter("card-support", "b")]))
        _until(client, {NEW})


def _until(client: httpx.Client, expected: set[str]) -> None:
    for _ in range(40):
        answers = [client.post(CHAT, json=QUESTION, headers=AUTH).json()["response"] for _ in range(16)]
        if {answer.split()[0] for answer in answers} == expected:
            return
    raise AssertionError(f"not answered by {sorted(expected)}")
