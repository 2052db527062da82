"""G1 with signed tokens and G5, before the real server: who is let in, how often, and what others notice of it."""

import asyncio
import time

import httpx
import pytest

from banktuner_gateway.engine import client as engine_client
from tests.gateway.access.identity_provider import (
    AUDIENCE,
    ISSUER,
    IdentityProvider,
    claims,
    new_key,
    public_jwk,
    segment,
    sign,
)
from tests.gateway.harness import AUTH, CHAT, write_tokens
from tests.gateway.trail import VOLUME, decisions, make_trail, records

QUESTION = {"message": "Is my card blocked?"}
GOOD_KEY, OTHER_KEY = new_key("ES256"), new_key("ES256")


def bearer(*tokens: str) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}") for token in tokens]


def token(key=GOOD_KEY, **changes) -> str:
    return sign(key, "ES256", claims(**changes), kid="bank")


@pytest.fixture
def provider():
    server = IdentityProvider()
    yield server
    server.close()


@pytest.fixture
def jwt_gateway(provider, start_gateway, files):
    make_trail(files)
    provider.publish(public_jwk(GOOD_KEY, "ES256", kid="bank"))
    jwt = {"issuer": ISSUER, "audience": AUDIENCE, "jwksUri": provider.uri}
    rules = [{"adapter": "card-support", "groups": ["loans"]}]
    with httpx.Client(base_url=start_gateway(jwt=jwt, access=rules, audit=VOLUME), timeout=30) as client:
        yield client


def test_signed_tokens_over_the_wire(jwt_gateway, files, engine):
    let_in = jwt_gateway.post(CHAT, json=QUESTION, headers=bearer(token()))
    assert (let_in.status_code, let_in.json()["adapter"]) == (200, "card-support")
    outside = jwt_gateway.post(CHAT, json=QUESTION, headers=bearer(token(groups=["tellers"])))
    assert (outside.status_code, outside.json()["error"]["code"]) == (403, "adapter_forbidden")
    engine.requests.clear()
    unsigned = f"{segment({'alg': 'none', 'kid': 'bank'})}.{segment(claims())}."
    wrong = {
        "none": [],
        "empty": [("Authorization", "Bearer")],
        "two headers": bearer(token(), token()),
        "another's signature": bearer(token(OTHER_KEY)),
        "expired": bearer(token(exp=int(time.time()) - 60)),
        "for somebody else": bearer(token(aud="another-bank")),
        "unsigned": bearer(unsigned),
        "a megabyte": bearer("x" * 1_000_000),
        "not ASCII": [(b"Authorization", "Bearer schlüssel".encode())],
        "a hashed caller's token": list(AUTH.items()),
    }
    told = set()
    for name, headers in wrong.items():
        answer = jwt_gateway.post(CHAT, json=QUESTION, headers=headers)
        assert answer.status_code == 401, name
        error = answer.json()["error"]
        error.pop("request_id")
        told.add(str(error))
    assert len(told) == 1, "the answer does not tell what was wrong"
    assert engine.requests == []
    assert [one["caller"] for one in decisions(files) if one["status"] in (200, 403)] == ["teller-7", "teller-7"]
    assert any(one["status"] == 401 and "caller" not in one for one in decisions(files))


@pytest.mark.parametrize(("length", "status"), [(253, 200), (254, 401), (255, 401)])
def test_who_is_let_in_fits_into_a_record(jwt_gateway, files, engine, length, status):
    headers = bearer(token(sub="x" * length))
    answers = [jwt_gateway.post(CHAT, json=QUESTION | {"stream": stream}, headers=headers) for stream in (False, True)]
    answers.append(jwt_gateway.delete("/api/v1/conversations", headers=headers))
    assert [one.status_code for one in answers] == [status] * 3
    let_in = status == 200
    assert len(engine.requests) == (2 if let_in else 0)
    told = [(one["event"], one["data"].get("caller")) for one in records(files) if "request_id" in one["data"]]
    expected = ["decision", "stream_started", "stream_ended", "erasure"] if let_in else ["decision"] * 2
    assert told == [(event, "x" * length if let_in else None) for event in expected]


def test_many_callers_do_not_feel_the_one_who_asks_too_much(files, start_gateway):
    names = [f"caller-{number}" for number in range(40)]
    write_tokens(
        files / "tokens", teller="correct-horse-battery-staple", **{name: f"token of {name}" for name in names}
    )
    limit = {"requestsPerMinute": 1, "burst": 3, "concurrency": 2}
    with httpx.Client(base_url=start_gateway(rateLimit=limit), timeout=60) as client:
        greedy = [client.post(CHAT, json=QUESTION, headers=AUTH) for _ in range(10)]
        others = [
            client.post(CHAT, json=QUESTION, headers={"Authorization": f"Bearer token of {name}"}) for name in names
        ]
    assert [one.status_code for one in greedy] == [200] * 3 + [429] * 7
    assert {one.status_code for one in others} == {200}
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in greedy[3:])


def test_a_burst_at_the_same_time_has_no_more_than_its_slots(start_gateway, engine):
    engine.mode = "hang"
    limit = {"requestsPerMinute": 100_000, "burst": 1000, "concurrency": 3}
    address = start_gateway(rateLimit=limit, requestTimeoutSeconds=5)

    async def burst() -> list[int]:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            asking = [client.post(CHAT, json=QUESTION, headers=AUTH) for _ in range(12)]
            return sorted(answer.status_code for answer in await asyncio.gather(*asking))

    statuses = asyncio.run(burst())
    assert statuses.count(504) >= 3
    assert set(statuses) == {429, 504}
    assert len(engine.requests) == statuses.count(504)


def test_who_waits_too_long_for_the_engine_is_told_to_come_again(monkeypatch, start_gateway, engine):
    """The queue before the engine is bounded in places and in time."""
    monkeypatch.setattr(engine_client, "MAX_CONNECTIONS", 1)
    monkeypatch.setattr(engine_client, "QUEUE_SECONDS", 0.5)
    engine.mode = "hang"
    address = start_gateway(requestTimeoutSeconds=4)

    async def two() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            first = asyncio.create_task(client.post(CHAT, json=QUESTION, headers=AUTH))
            await asyncio.to_thread(engine.asked.wait, 30)
            return [await client.post(CHAT, json=QUESTION, headers=AUTH), await first]

    second, first = asyncio.run(two())
    assert (second.status_code, second.json()["error"]["code"]) == (503, "engine_busy")
    assert int(second.headers["retry-after"]) >= 1
    assert first.status_code == 504
    assert len(engine.requests) == 1


def test_a_restart_gives_one_burst_and_no_more(start_gateway):
    limit = {"requestsPerMinute": 1, "burst": 2, "concurrency": 2}
    for _ in range(2):
        with httpx.Client(base_url=start_gateway(rateLimit=limit), timeout=30) as client:
            answers = [client.post(CHAT, json=QUESTION, headers=AUTH) for _ in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 429]
