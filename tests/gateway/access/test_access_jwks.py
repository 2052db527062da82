"""The provider's keys: rotation, made-up key ids, an absent or broken provider."""

import asyncio
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from banktuner_gateway.access import jwks
from banktuner_gateway.access.jwks import Jwks, JwksError, read_keys
from tests.gateway.access.identity_provider import IdentityProvider, new_key, public_jwk

OLD, NEW = new_key("ES256"), new_key("ES256")
OLD_JWK, NEW_JWK = public_jwk(OLD, "ES256", kid="old"), public_jwk(NEW, "ES256", kid="new")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def provider():
    server = IdentityProvider()
    server.publish(OLD_JWK)
    yield server
    server.close()


@pytest.fixture
async def keys(provider, clock):
    made = Jwks(provider.uri, clock)
    yield made
    await made.close()


async def test_a_new_key_is_found_at_its_first_token_and_an_old_one_forgotten(keys, provider, clock):
    assert await keys.find("old", "ES256") is not None
    provider.publish(NEW_JWK)
    clock.now += jwks.UNKNOWN_KEY_SECONDS
    found = await keys.find("new", "ES256")
    assert found.key.public_numbers() == NEW.public_key().public_numbers()
    assert await keys.find("old", "ES256") is None


async def test_made_up_key_ids_do_not_make_more_fetches(keys, provider, clock):
    await keys.find("old", "ES256")
    for number in range(200):
        clock.now += 0.1
        assert await keys.find(f"made up {number}", "ES256") is None
    assert provider.asked == 1
    clock.now += jwks.UNKNOWN_KEY_SECONDS
    assert await keys.find("made up", "ES256") is None
    assert provider.asked == 2


async def test_many_at_once_share_one_fetch(keys, provider):
    found = await asyncio.gather(*(keys.find("old", "ES256") for _ in range(50)))
    assert all(key is not None for key in found)
    assert provider.asked == 1


async def test_a_client_that_goes_away_leaves_the_fetch_to_the_others(keys, provider):
    first, second = (asyncio.create_task(keys.find("old", "ES256")) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is not None
    assert provider.asked == 1


@pytest.mark.parametrize("mode", ["cut", "error", "redirect", "not json", "huge", "hang"])
async def test_keys_stay_in_use_without_the_provider_up_to_a_bound(provider, clock, monkeypatch, mode):
    keys = Jwks(provider.uri, clock)
    await keys.fetch()
    provider.mode = mode
    clock.now += jwks.STALE_SECONDS
    with monkeypatch.context() as slow:
        slow.setattr(jwks, "FETCH_SECONDS", 0.3 if mode == "hang" else 60.0)
        await keys.fetch()
    assert keys.problem and "secret" not in keys.problem and "127.0.0.1" not in keys.problem
    assert await keys.find("old", "ES256") is not None
    clock.now += 1
    assert await keys.find("old", "ES256") is None
    assert not keys.fresh
    provider.mode = "ok"
    provider.released.set()
    await keys.fetch()
    assert await keys.find("old", "ES256") is not None
    assert keys.problem is None
    await keys.close()


async def test_without_a_provider_from_the_start_nobody_is_let_in(clock):
    keys = Jwks("http://127.0.0.1:9/keys", clock)
    assert await keys.find("old", "ES256") is None
    assert not keys.fresh
    assert keys.problem == "no answer (ConnectError)"
    await keys.close()


async def test_the_background_fetches_again_after_a_failure_and_for_a_rotation(provider, monkeypatch):
    monkeypatch.setattr(jwks, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(jwks, "REFRESH_SECONDS", 0.01)
    provider.mode = "error"
    keys = Jwks(provider.uri)
    keys.start()
    await _until(lambda: provider.asked > 1)
    assert keys.problem == "status 500"
    provider.mode = "ok"
    await _until(lambda: keys.fresh)
    provider.publish(NEW_JWK)
    asked = provider.asked
    await _until(lambda: provider.asked > asked + 1)
    assert await keys.find("new", "ES256") is not None
    await keys.close()


async def _until(condition) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_one_key_without_an_id_serves_tokens_without_one(keys, provider, clock):
    provider.publish({name: value for name, value in OLD_JWK.items() if name != "kid"})
    assert await keys.find(None, "ES256") is not None
    assert await keys.find("anything", "ES256") is None


def _read(*members) -> set:
    return set(read_keys(json.dumps({"keys": [OLD_JWK, *members]}).encode())) - {("old", "ES256")}


RSA_JWK = public_jwk(new_key("RS256"), "RS256", kid="rsa")
WEAK_RSA_JWK = public_jwk(rsa.generate_private_key(65537, 1024), "RS256", kid="weak")


@pytest.mark.parametrize(
    "member",
    [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256"},
        {**OLD_JWK, "kid": "other", "use": "enc"},
        {**OLD_JWK, "kid": "other", "alg": "ES384"},
        {**OLD_JWK, "kid": "other", "alg": "none"},
        {**OLD_JWK, "kid": "other", "crv": "P-384"},
        {**OLD_JWK, "kid": "other", "x": "AAAA"},
        {**OLD_JWK, "kid": 7},
        {**RSA_JWK, "n": "AQAB"},
        WEAK_RSA_JWK,
        {**RSA_JWK, "e": 65537},
        {"kid": "other"},
        "text",
        None,
    ],
)
def test_keys_that_cannot_be_used_are_left_out(member):
    assert _read(member) == set()


def test_an_rsa_key_serves_both_paddings_unless_it_names_one():
    assert _read(RSA_JWK) == {("rsa", "RS256"), ("rsa", "PS256")}
    assert _read({**RSA_JWK, "alg": "PS256"}) == {("rsa", "PS256")}


def test_a_private_key_that_was_published_is_not_held():
    key = new_key("RS256")
    private = json.loads(jwks.jwt.algorithms.RSAAlgorithm.to_jwk(key))
    held = read_keys(json.dumps({"keys": [{**private, "kid": "leaked"}]}).encode())[("leaked", "RS256")].key
    assert not hasattr(held, "private_numbers")


def test_of_two_keys_with_one_id_the_first_stays():
    kept = read_keys(json.dumps({"keys": [OLD_JWK, {**NEW_JWK, "kid": "old"}]}).encode())
    assert kept[("old", "ES256")].key.public_numbers() == OLD.public_key().public_numbers()


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"[" * 100_000])
def test_what_is_no_key_set_is_told(body):
    with pytest.raises(JwksError):
        read_keys(body)
