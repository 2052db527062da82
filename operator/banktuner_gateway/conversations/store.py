"""Where conversations are: the protocol of the stores, the errors they share, and one turn from start to end.

A conversation belongs to one caller; anybody else's looks like one that does not exist. One request at a time answers
in a conversation: it holds a claim, and a second one gets 409 at once.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

from banktuner_gateway.conversations.model import Conversation, Turn
from banktuner_gateway.errors import ApiError, retry_later

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Claim:
    """The right to add the next turn to a conversation; it ends by itself some time after the longest request."""

    caller: str
    conversation: Conversation
    token: str


class ConversationStore(Protocol):
    """Raises ApiError 503 `conversations_unavailable` from everything while it cannot work."""

    async def begin(self, caller: str, conversation_id: str | None) -> Claim:
        """Claim a conversation, a new one for None. Raises ApiError 404 `unknown_conversation`, 409
        `conversation_busy` while another request holds it."""

    async def append(self, claim: Claim, turn: Turn, vault: Mapping[str, Any]) -> None:
        """Add the turn and give the claim back. Raises ApiError 404 where the conversation was deleted meanwhile, 409
        where the claim came to its end, 422 `conversation_too_large`. Does nothing twice."""

    async def release(self, claim: Claim) -> None:
        """Give the claim back without a turn; a conversation that has none is gone then. Does nothing twice."""

    async def history(self, caller: str, conversation_id: str) -> Conversation:
        """What was said. Raises ApiError 404."""

    async def delete(self, caller: str, conversation_id: str) -> None:
        """Forget a conversation. An answer on its way is not added to it any more. Raises ApiError 404."""

    async def erase(self, caller: str) -> int:
        """Forget all conversations of a caller, and tell how many there were."""

    async def problem(self) -> str | None:
        """Why it cannot work, for people."""

    async def close(self) -> None:
        """Give back what it holds."""


class OpenTurn:
    """A conversation while its next question is being answered."""

    def __init__(self, store: ConversationStore, claim: Claim) -> None:
        self._store = store
        self._claim = claim
        self._added = False

    @property
    def conversation(self) -> Conversation:
        """What was said before."""
        return self._claim.conversation

    async def add(self, turn: Turn, vault: Mapping[str, Any]) -> None:
        """Keep the turn. Raises as ConversationStore.append."""
        await self._store.append(self._claim, turn, vault)
        self._added = True

    async def end(self) -> None:
        """Give the conversation free where no turn was added. A store that cannot do it lets the claim run out."""
        if not self._added:
            with suppress(ApiError):
                await self._store.release(self._claim)


@asynccontextmanager
async def open_turn(store: ConversationStore, caller: str, conversation_id: str | None) -> AsyncIterator[OpenTurn]:
    """Hold a conversation (a new one for None) for one turn, however that ends. Raises as ConversationStore.begin."""
    # Both ends are tasks of their own: a request whose client went away is cancelled, and again at each await, and
    # must not leave the conversation held.
    beginning = asyncio.create_task(store.begin(caller, conversation_id))
    try:
        turn = OpenTurn(store, await asyncio.shield(beginning))
    except asyncio.CancelledError:
        _finish(_end_once_begun(store, beginning))
        raise
    try:
        yield turn
    finally:
        await asyncio.shield(_finish(turn.end()))


_finishing: set[asyncio.Task[None]] = set()
"""The event loop alone would not keep them alive."""


def _finish(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    task = asyncio.create_task(work)
    _finishing.add(task)
    task.add_done_callback(_finishing.discard)
    return task


async def _end_once_begun(store: ConversationStore, beginning: asyncio.Task[Claim]) -> None:
    with suppress(ApiError):
        await OpenTurn(store, await beginning).end()


def new_id() -> str:
    """Of a new conversation: 122 random bits, so that nobody finds one by trying."""
    return str(uuid4())


def checked_id(conversation_id: str) -> str:
    """Raises ApiError 404 for what `new_id` cannot have made, so that a store's keys hold nothing else."""
    if not _ID.fullmatch(conversation_id):
        raise unknown_conversation()
    return conversation_id


def unknown_conversation() -> ApiError:
    """404, for another caller's as for none."""
    message = "There is no such conversation: it was deleted, forgotten, or never begun. Leave the field out."
    return ApiError(404, "unknown_conversation", message, field="conversation_id")


def busy() -> ApiError:
    """409: one question at a time."""
    message = "Another request is being answered in this conversation. Ask again after its answer."
    return ApiError(409, "conversation_busy", message, field="conversation_id", headers={"Retry-After": "1"})


def claim_lost() -> ApiError:
    """409: the request took longer than it may hold a conversation."""
    message = "The answer took too long to be added to its conversation. Ask again."
    return ApiError(409, "conversation_busy", message, field="conversation_id")


def unavailable() -> ApiError:
    """503: what was said before cannot be read or kept."""
    return retry_later("conversations_unavailable", "Conversations cannot be read or kept at the moment.", 5)
