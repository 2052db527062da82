"""The store in a real Valkey: what lies in it, for how long, and what happens when it is down, slow or full."""

import asyncio

import pytest

from banktuner_gateway.conversations import redis_store
from banktuner_gateway.conversations.redis_store import RedisStore
from banktuner_gateway.conversations.store import _finishing, open_turn
from banktuner_gateway.errors import ApiError
from tests.gateway.conversations.conftest import CLAIM_SECONDS, SETTINGS
from tests.gateway.conversations.test_conversations_store import FIRST, SECOND, said
from tests.gateway.conversations.valkey_server import ValkeyServer

UNAVAILABLE = (503, "conversations_unavailable", {"Retry-After": "5"})


@pytest.fixture
def own_server(tmp_path):
    """For tests that stop or fill it."""
    server = ValkeyServer(tmp_path)
    server.start()
    yield server
    server.stop()


async def refusal(work) -> tuple[int, str, dict[str, str]]:
    with pytest.raises(ApiError) as error:
        await work
    return error.value.status, error.value.code, error.value.headers


async def test_keys_tell_nothing_and_all_of_them_end(shared_store, server):
    async with open_turn(shared_store, "teller-7@bank.example", None) as turn:
        with server.client() as client:
            assert len(client.keys()) == 3
        await turn.add(FIRST, {"<CARD_1>": "4111111111111111"})
    with server.client() as client:
        keys = client.keys()
        assert len(keys) == 2
        assert not any(b"teller" in key or b"assistant" in key for key in keys)
        assert all(0 < client.ttl(key) <= 602 for key in keys)


async def test_a_silent_conversation_is_forgotten_and_so_is_its_id(shared_store, server):
    conversation = await said(shared_store, "teller", None)
    with server.client() as client:
        client.pexpireat(next(client.scan_iter(f"*:{conversation}")), 1)
    assert (await refusal(shared_store.history("teller", conversation)))[0] == 404
    assert (await refusal(shared_store.begin("teller", conversation)))[0] == 404
    assert await shared_store.erase("teller") == 0
    with server.client() as client:
        assert client.keys() == []


async def test_the_index_does_not_grow_with_what_expired(shared_store, server):
    await said(shared_store, "teller", None)
    with server.client() as client:
        index = next(client.scan_iter("*:all"))
        client.zadd(index, {f"expired {number}": 1000 + number for number in range(100)})
        await said(shared_store, "teller", None)
        assert client.zcard(index) == 2


async def test_a_claim_ends_by_itself_and_then_adds_nothing(shared_store, server):
    hasty = RedisStore(server.url, "bank/assistant", SETTINGS, 0.1)
    conversation = await said(shared_store, "teller", None)
    lost = await hasty.begin("teller", conversation)
    await asyncio.sleep(0.2)
    assert (await refusal(hasty.append(lost, FIRST, {})))[:2] == (409, "conversation_busy")
    taken = await shared_store.begin("teller", conversation)
    assert (await refusal(hasty.append(lost, FIRST, {})))[:2] == (409, "conversation_busy")
    await hasty.release(lost)
    assert (await refusal(shared_store.begin("teller", conversation)))[:2] == (409, "conversation_busy")
    await shared_store.append(taken, SECOND, {})
    assert (await shared_store.history("teller", conversation)).turns == (FIRST, SECOND)
    await hasty.close()


async def test_what_is_sent_twice_is_done_once(shared_store):
    """A lost answer makes the client send its script again."""
    conversation = await said(shared_store, "teller", None)
    claim = await shared_store.begin("teller", conversation)
    for _ in range(2):
        await shared_store.append(claim, SECOND, {})
    assert (await shared_store.history("teller", conversation)).turns == (FIRST, SECOND)
    await shared_store.release(claim)
    await said(shared_store, "teller", conversation)


async def test_two_replicas_share_conversations_and_claims(shared_store, server):
    other = RedisStore(server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    conversation = await said(shared_store, "teller", None)
    async with open_turn(other, "teller", conversation) as turn:
        assert turn.conversation.turns == (FIRST,)
        assert (await refusal(shared_store.begin("teller", conversation)))[:2] == (409, "conversation_busy")
    await other.close()


async def test_two_models_on_one_server_do_not_meet(shared_store, server):
    other = RedisStore(server.url, "bank/other", SETTINGS, CLAIM_SECONDS)
    conversation = await said(shared_store, "teller", None)
    assert (await refusal(other.history("teller", conversation)))[0] == 404
    assert await other.erase("teller") == 0
    await other.close()


async def test_erasure_of_more_than_one_script_takes(shared_store, server, monkeypatch):
    monkeypatch.setattr(redis_store, "_ERASED_AT_ONCE", 10)
    for _ in range(35):
        await said(shared_store, "teller", None)
    assert await shared_store.erase("teller") == 35
    with server.client() as client:
        assert client.keys() == []


async def test_a_server_that_is_down_is_told_at_once_and_comes_back(own_server):
    store = RedisStore(own_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    conversation = await said(store, "teller", None)
    async with open_turn(store, "teller", conversation) as turn:
        own_server.stop()
        assert await refusal(turn.add(SECOND, {})) == UNAVAILABLE
    for work in (
        store.begin("teller", None),
        store.begin("teller", conversation),
        store.history("teller", conversation),
        store.delete("teller", conversation),
        store.erase("teller"),
    ):
        assert await refusal(work) == UNAVAILABLE
    assert await store.problem() == "conversations: the Redis server does not answer"
    own_server.start()
    assert await store.problem() is None
    assert (await refusal(store.history("teller", conversation)))[0] == 404
    await said(store, "teller", None)
    await store.close()


async def test_a_restarted_server_is_not_noticed(own_server):
    """Pooled connections are dead then, and the scripts unknown."""
    store = RedisStore(own_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    await asyncio.gather(*(said(store, "teller", None) for _ in range(5)))
    own_server.stop()
    own_server.start()
    await asyncio.gather(*(said(store, "teller", None) for _ in range(5)))
    await store.close()


async def test_a_silent_server_is_given_up_on(own_server, monkeypatch):
    patient = RedisStore(own_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    conversation = await said(patient, "teller", None)
    own_server.pause()
    monkeypatch.setattr(redis_store, "SOCKET_SECONDS", 0.1)
    by_socket = RedisStore(own_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    assert await refusal(by_socket.history("teller", conversation)) == UNAVAILABLE
    monkeypatch.setattr(redis_store, "OPERATION_SECONDS", 0.1)
    assert await refusal(patient.begin("teller", None)) == UNAVAILABLE
    monkeypatch.setattr(redis_store, "OPERATION_SECONDS", 120.0)
    own_server.resume()
    assert (await patient.history("teller", conversation)).turns == (FIRST,)
    for store in (patient, by_socket):
        await store.close()


async def test_a_cancelled_request_does_not_leave_its_answer_to_the_next(own_server, monkeypatch):
    """On one connection for both: the second must not read what the first asked for."""
    monkeypatch.setattr(redis_store, "MAX_CONNECTIONS", 1)
    store = RedisStore(own_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    mine, theirs = await said(store, "teller", None, FIRST), await said(store, "mobile", None, SECOND)
    own_server.pause()
    reading = asyncio.create_task(store.history("teller", mine))
    await asyncio.sleep(0.1)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    own_server.resume()
    assert (await store.history("mobile", theirs)).turns == (SECOND,)
    await store.close()


async def test_a_request_cancelled_while_it_begins_leaves_the_conversation_free(own_server):
    store = RedisStore(own_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    conversation = await said(store, "teller", None)
    own_server.pause()
    asking = asyncio.create_task(said(store, "teller", conversation))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    own_server.resume()
    with own_server.client() as client:
        # First the claim is there, because the server had the question, and then it is given back.
        async with asyncio.timeout(120):
            while client.dbsize() != 2 or _finishing:
                await asyncio.sleep(0.01)
    await said(store, "teller", conversation)
    await store.close()


async def test_a_full_server_is_told(tmp_path):
    server = ValkeyServer(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
    server.start()
    store = RedisStore(server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    try:
        assert await refusal(store.begin("teller", None)) == UNAVAILABLE
    finally:
        await store.close()
        server.stop()


async def test_what_somebody_else_wrote_there_is_told_and_not_quoted(shared_store, server, caplog):
    conversation = await said(shared_store, "teller", None)
    with server.client() as client:
        key = next(client.scan_iter(f"*:{conversation}"))
        for text in (b"secret words", b"[]", b'{"turns": [1], "vault": {}}', b'{"turns": []}'):
            client.hset(key, "text", text)
            assert await refusal(shared_store.history("teller", conversation)) == UNAVAILABLE
    assert "cannot be read" in caplog.text
    assert "secret words" not in caplog.text


async def test_a_wrong_password_is_told_and_not_quoted(tmp_path, caplog):
    server = ValkeyServer(tmp_path, "--requirepass", "right")
    server.start()
    store = RedisStore(server.url.replace("//", "//:wrong-secret@"), "bank/assistant", SETTINGS, CLAIM_SECONDS)
    right = RedisStore(server.url.replace("//", "//:right@"), "bank/assistant", SETTINGS, CLAIM_SECONDS)
    try:
        assert await refusal(store.begin("teller", None)) == UNAVAILABLE
        assert "wrong-secret" not in caplog.text
        await said(right, "teller", None)
    finally:
        await store.close()
        await right.close()
        server.stop()


@pytest.mark.parametrize(
    "url", ["", "http://:secret@cache", "redis://:secret@cache:port/0", "redis://:secret@cache/?socket_timeout=soon"]
)
def test_a_url_that_cannot_be_used_is_told_and_not_quoted(url):
    with pytest.raises(ValueError, match=r"^url: ") as error:
        RedisStore(url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    assert "secret" not in str(error.value)
