"""The desired state as it comes over TLS from the agent API, and what happens when that goes away."""

import time
from collections.abc import Callable

import httpx

from banktuner_gateway.desired import superseded
from tests.gateway.agent_server import make_certificate
from tests.gateway.harness import AUTH, CHAT, adapter, desired, write_desired


def ask(client: httpx.Client, name: str) -> httpx.Response:
    return client.post(CHAT, json={"message": "Is my card blocked?", "adapter": name}, headers=AUTH)


def seconds_until(client: httpx.Client, name: str, status: int) -> float:
    started = time.monotonic()
    while ask(client, name).status_code != status:
        assert time.monotonic() - started < 15, f"{name} did not become {status}"
        time.sleep(0.05)
    return time.monotonic() - started


def test_a_new_adapter_is_answered_soon_and_a_removed_one_refused(files, agent, start_gateway, engine):
    (files / "desired.json").unlink()
    engine.models.add("wealth-bbbbbbbbbbbb")
    with httpx.Client(base_url=start_gateway(agentUrl=f"https://127.0.0.1:{agent.server_port}")) as client:
        seconds_until(client, "card-support", 200)
        agent.tell(desired("r2", adapters=[adapter("card-support", "a"), adapter("wealth", "b")]))
        assert seconds_until(client, "wealth", 200) < 10
        agent.tell(desired("r3", adapters=[adapter("wealth", "b")], defaultAdapter="wealth"))
        assert seconds_until(client, "card-support", 404) < 10
    assert agent.seen[:3] == ["", "r1", "r2"]


def test_what_the_agent_told_outlives_the_agent_and_an_older_file(files, agent, start_gateway, engine):
    """desired.json still says r1, as the kubelet brings it late; the agent's r2 must not be lost with the agent."""
    engine.models.add("wealth-bbbbbbbbbbbb")
    engine.models.add("loans-cccccccccccc")
    with httpx.Client(base_url=start_gateway(agentUrl=f"https://127.0.0.1:{agent.server_port}")) as client:
        agent.tell(desired("r2", adapters=[adapter("wealth", "b")], defaultAdapter=None))
        seconds_until(client, "wealth", 200)
        agent.token = "no longer accepted"
        agent.tell(desired("r9"))
        time.sleep(1.5)
        assert ask(client, "wealth").status_code == 200
        write_desired(files, desired("r3", adapters=[adapter("loans", "c")], defaultAdapter=None))
        seconds_until(client, "loans", 200)


def test_an_adapter_that_the_engine_was_told_of_first_is_answered_at_once(files, agent, start_gateway, engine):
    """The agent is back, and this process's next try seconds away: whoever saw the adapter Ready may ask for it."""
    engine.models.add("wealth-bbbbbbbbbbbb")
    agent.token = "not accepted yet"
    with httpx.Client(base_url=start_gateway(agentUrl=f"https://127.0.0.1:{agent.server_port}")) as client:
        deadline = time.monotonic() + 30
        while agent.refused < 4:  # the pause after the fourth is two seconds at the least
            assert time.monotonic() < deadline
            time.sleep(0.02)
        agent.token = "projected"
        agent.tell(desired("r2", adapters=[adapter("wealth", "b")], defaultAdapter="wealth"))
        assert ask(client, "wealth").status_code == 200
        asked, began = len(agent.seen), time.monotonic()
        assert [ask(client, "nobody").status_code for _ in range(20)] == [404] * 20
        assert len(agent.seen) <= asked + 2 + (time.monotonic() - began), "one a second, beside the long poll"


def test_an_agent_with_a_foreign_certificate_is_not_believed(files, agent, start_gateway, tmp_path_factory):
    other, _ = make_certificate(tmp_path_factory.mktemp("other"))
    (files / "ca.crt").write_bytes(other.read_bytes())
    agent.tell(desired("r2", adapters=[adapter("wealth", "b")], defaultAdapter=None))
    with httpx.Client(base_url=start_gateway(agentUrl=f"https://127.0.0.1:{agent.server_port}")) as client:
        time.sleep(1)
        assert ask(client, "card-support").status_code == 200, "desired.json is served meanwhile"
        assert ask(client, "wealth").status_code == 404
    assert agent.seen == []


def test_a_new_version_of_an_adapter_is_taken_up_without_a_gap(files, agent, start_gateway, engine):
    """Until the engine has loaded the new digest, the one before it answers; nobody sees an error."""
    with httpx.Client(base_url=start_gateway(agentUrl=f"https://127.0.0.1:{agent.server_port}")) as client:
        assert ask(client, "card-support").status_code == 200
        agent.tell(desired("r2", adapters=[adapter("card-support", "d")]))
        answers = _answers_until(client, lambda: any(asked["model"].endswith("d" * 12) for _, asked in engine.requests))
        engine.models.add("card-support-dddddddddddd")
        engine.models.discard("card-support-aaaaaaaaaaaa")
        ends = time.monotonic() + 0.3
        after = _answers_until(client, lambda: time.monotonic() > ends)
    assert answers == {"card-support-aaaaaaaaaaaa says Is my card blocked?"}
    assert after == {"card-support-dddddddddddd says Is my card blocked?"}
    asked = {question["model"] for _, question in engine.requests}
    assert asked == {"card-support-aaaaaaaaaaaa", "card-support-dddddddddddd"}


def _answers_until(client: httpx.Client, done: Callable[[], bool]) -> set[str]:
    """At least one; for a minute at most."""
    end = time.monotonic() + 60
    answers = set()
    while not answers or not done():
        assert time.monotonic() < end
        answer = ask(client, "card-support")
        answers.add(answer.json().get("response", answer.text))
        time.sleep(0.02)
    return answers


def test_the_version_before_is_remembered_per_adapter():
    first = desired("r1", adapters=[adapter("cards", "a"), adapter("loans", "a")])
    second = desired("r2", adapters=[adapter("cards", "b"), adapter("loans", "a")])
    third = desired("r3", adapters=[adapter("cards", "b"), adapter("fees", "c")])
    cards_a, cards_b = first.adapters[0], second.adapters[0]
    assert superseded(None, first, {}) == {}
    assert superseded(first, second, {}) == {"cards": cards_a}
    assert superseded(second, third, {"cards": cards_a}) == {"cards": cards_a}
    back = desired("r4", adapters=[adapter("cards", "a")])
    assert superseded(third, back, {"cards": cards_a}) == {"cards": cards_b}
