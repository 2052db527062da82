from collections.abc import AsyncIterator, Iterator

import pytest

from banktuner_api.gateway import Conversations
from banktuner_gateway.conversations import redis_store
from banktuner_gateway.conversations.memory import MemoryStore
from banktuner_gateway.conversations.redis_store import RedisStore
from banktuner_gateway.conversations.store import ConversationStore
from tests.gateway.conversations.valkey_server import ValkeyServer

SETTINGS = Conversations(max_turns=3, ttl_seconds=600)
CLAIM_SECONDS = 300.0


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a server may take seconds; that is told by the tests of slow servers alone."""
    monkeypatch.setattr(redis_store, "SOCKET_SECONDS", 60.0)
    monkeypatch.setattr(redis_store, "OPERATION_SECONDS", 120.0)


@pytest.fixture(scope="session")
def running_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def server(running_server: ValkeyServer) -> ValkeyServer:
    """Empty."""
    with running_server.client() as client:
        client.flushall()
    return running_server


@pytest.fixture
async def shared_store(server: ValkeyServer) -> AsyncIterator[RedisStore]:
    store = RedisStore(server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
    yield store
    await store.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> ConversationStore:
    if request.param == "memory":
        return MemoryStore(SETTINGS, CLAIM_SECONDS)
    return request.getfixturevalue("shared_store")
