"""Both stores give the same answers to the same requests, whatever their order."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_gateway.conversations.memory import MemoryStore
from banktuner_gateway.conversations.model import Turn
from banktuner_gateway.conversations.redis_store import RedisStore
from banktuner_gateway.conversations.store import Claim, ConversationStore
from banktuner_gateway.errors import ApiError
from tests.gateway.conversations.conftest import CLAIM_SECONDS, SETTINGS

callers = st.sampled_from(["teller", "mobile"])
places = st.sampled_from([0, 0, 0, 1, 1, 2])
"""Which conversation or claim, counted back from the newest."""
requests = st.one_of(
    st.tuples(st.just("begin"), callers, st.none()),
    st.tuples(st.just("begin"), callers, places),
    st.tuples(st.sampled_from(["append", "append", "release"]), callers, places),
    st.tuples(st.sampled_from(["history", "history", "delete"]), callers, places),
    st.tuples(st.just("erase"), callers, st.none()),
)


class Replay:
    """Makes the requests, and tells answers in which a conversation is known by its place alone."""

    def __init__(self, store: ConversationStore) -> None:
        self.store = store
        self.claims: list[Claim] = []
        self.ids: list[str] = []

    async def answer(self, step: int, request: tuple[str, str, int | None]) -> Any:
        verb, caller, place = request
        try:
            if verb in ("append", "release"):
                return await self._end(verb, place, step)
            if verb == "begin":
                return await self._begin(caller, place)
            if verb == "erase":
                return await self.store.erase(caller)
            if place >= len(self.ids):
                return None
            known = await getattr(self.store, verb)(caller, self.ids[-1 - place])
            return known and (known.turns, known.vault)
        except ApiError as error:
            return error.status, error.code

    async def _begin(self, caller: str, place: int | None) -> Any:
        if place is not None and place >= len(self.ids):
            return None
        claim = await self.store.begin(caller, None if place is None else self.ids[-1 - place])
        self.claims.append(claim)
        if place is None:
            self.ids.append(claim.conversation.id)
        return claim.conversation.turns, claim.conversation.vault

    async def _end(self, verb: str, place: int, step: int) -> Any:
        if place >= len(self.claims):
            return None
        claim = self.claims[-1 - place]
        if verb == "release":
            return await self.store.release(claim)
        return await self.store.append(claim, Turn(f"question {step}", "answer"), {"step": step})


@settings(max_examples=50)
@given(asked=st.lists(requests, min_size=20, max_size=60))
def test_both_stores_answer_alike(running_server, asked):
    async def replay() -> None:
        redis_store = RedisStore(running_server.url, "bank/assistant", SETTINGS, CLAIM_SECONDS)
        memory, shared = Replay(MemoryStore(SETTINGS, CLAIM_SECONDS)), Replay(redis_store)
        for step, request in enumerate(asked):
            assert await memory.answer(step, request) == await shared.answer(step, request), (step, request)
        await redis_store.close()

    with running_server.client() as client:
        client.flushall()
    asyncio.run(replay())
