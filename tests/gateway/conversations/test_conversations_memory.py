"""Bounds of the store in memory: time, number and bytes."""

import pytest

from banktuner_gateway.conversations import memory
from banktuner_gateway.conversations.memory import MemoryStore
from banktuner_gateway.conversations.model import Turn
from banktuner_gateway.errors import ApiError
from tests.gateway.conversations.conftest import CLAIM_SECONDS, SETTINGS
from tests.gateway.conversations.test_conversations_store import FIRST, SECOND, said


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock) -> MemoryStore:
    return MemoryStore(SETTINGS, CLAIM_SECONDS, clock)


async def known_of(store, conversations: list[str]) -> list[bool]:
    answers = []
    for conversation in conversations:
        try:
            await store.history("teller", conversation)
            answers.append(True)
        except ApiError:
            answers.append(False)
    return answers


async def test_a_silent_conversation_is_forgotten_and_a_used_one_stays(store, clock):
    silent, used = await said(store, "teller", None), await said(store, "teller", None)
    clock.now = 599
    await said(store, "teller", used)
    clock.now = 600
    assert await known_of(store, [silent, used]) == [False, True]
    assert len(store) == 1
    clock.now = 1199
    assert await store.erase("teller") == 0
    assert store.bytes == 0


async def test_the_number_is_bounded_and_the_longest_silent_goes_first(store, monkeypatch):
    monkeypatch.setattr(memory, "MAX_CONVERSATIONS", 3)
    first, second, third = [await said(store, "teller", None) for _ in range(3)]
    await said(store, "teller", first, SECOND)
    fourth = await said(store, "mobile", None)
    assert await known_of(store, [first, second, third]) == [True, False, True]
    assert (await store.history("mobile", fourth)).turns == (FIRST,)


async def test_the_bytes_are_bounded(store, monkeypatch):
    monkeypatch.setattr(memory, "MAX_BYTES", 100_000)
    conversations = [await said(store, "teller", None, Turn("x" * 9000, "y")) for _ in range(50)]
    assert store.bytes <= 100_000
    assert sum(await known_of(store, conversations)) == len(store) == 9
    assert (await known_of(store, conversations))[-9:] == [True] * 9


async def test_forgetting_gives_every_byte_back(store):
    conversations = [await said(store, f"caller {number % 3}", None) for number in range(9)]
    await said(store, "caller 0", conversations[0], SECOND)
    await store.delete("caller 1", conversations[1])
    for number in range(3):
        await store.erase(f"caller {number}")
    assert (store.bytes, len(store)) == (0, 0)


async def test_a_claim_ends_by_itself_and_then_adds_nothing(store, clock):
    conversation = await said(store, "teller", None)
    lost = await store.begin("teller", conversation)
    clock.now += CLAIM_SECONDS
    with pytest.raises(ApiError) as error:
        await store.append(lost, FIRST, {})
    assert (error.value.status, error.value.code) == (409, "conversation_busy")
    taken = await store.begin("teller", conversation)
    with pytest.raises(ApiError):
        await store.append(lost, FIRST, {})
    await store.release(lost)
    with pytest.raises(ApiError):
        await store.begin("teller", conversation)
    await store.append(taken, SECOND, {})
    assert (await store.history("teller", conversation)).turns == (FIRST, SECOND)
