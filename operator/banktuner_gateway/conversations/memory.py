"""Conversations in this process: for one replica, and gone with it."""

import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from banktuner_api.gateway import Conversations
from banktuner_gateway.conversations.model import Conversation, Turn, decode, encode_with
from banktuner_gateway.conversations.store import Claim, busy, checked_id, claim_lost, new_id, unknown_conversation

MAX_CONVERSATIONS = 10_000
MAX_BYTES = 64 * 1024 * 1024
_OVERHEAD_BYTES = 1024
"""What a conversation takes beside its text: keys and objects."""

_Key = tuple[str, str]


@dataclass(slots=True)
class _Entry:
    expires: float
    stored: bytes = b""
    claim: str | None = None
    claimed_until: float = 0.0
    written_by: str | None = None
    """The claim that wrote it last."""


class MemoryStore:
    """Bounded in number and bytes: the conversation that was silent for longest is forgotten first."""

    def __init__(
        self, settings: Conversations, claim_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._settings = settings
        self._claim_seconds = claim_seconds
        self._clock = clock
        # Each use moves a conversation to the end and renews its time, so the first is the first to expire.
        self._entries: OrderedDict[_Key, _Entry] = OrderedDict()
        self._of: defaultdict[str, set[str]] = defaultdict(set)
        self.bytes = 0
        """What all conversations take."""

    def __len__(self) -> int:
        return len(self._entries)

    async def begin(self, caller: str, conversation_id: str | None) -> Claim:
        """Claim a conversation."""
        if conversation_id is None:
            conversation_id = new_id()
            entry = self._add((caller, conversation_id))
        else:
            entry = self._get(caller, conversation_id)
        if entry.claim is not None and entry.claimed_until > self._clock():
            raise busy()
        entry.claim, entry.claimed_until = uuid4().hex, self._clock() + self._claim_seconds
        self._touch((caller, conversation_id), entry)
        return Claim(caller, decode(conversation_id, entry.stored), entry.claim)

    async def append(self, claim: Claim, turn: Turn, vault: Mapping[str, Any]) -> None:
        """Add the turn."""
        entry = self._get(claim.caller, claim.conversation.id)
        if entry.written_by == claim.token:
            return
        if entry.claim != claim.token or entry.claimed_until <= self._clock():
            raise claim_lost()
        stored = encode_with(claim.conversation, turn, vault, self._settings.max_turns)
        self.bytes += len(stored) - len(entry.stored)
        entry.stored, entry.written_by, entry.claim = stored, claim.token, None
        self._touch((claim.caller, claim.conversation.id), entry)
        self._shrink()

    async def release(self, claim: Claim) -> None:
        """Give the claim back."""
        entry = self._entries.get((claim.caller, claim.conversation.id))
        if entry is not None and entry.claim == claim.token:
            entry.claim = None
            if not entry.stored:
                self._remove((claim.caller, claim.conversation.id))

    async def history(self, caller: str, conversation_id: str) -> Conversation:
        """What was said."""
        return decode(conversation_id, self._get(caller, conversation_id).stored)

    async def delete(self, caller: str, conversation_id: str) -> None:
        """Forget a conversation."""
        self._get(caller, conversation_id)
        self._remove((caller, conversation_id))

    async def erase(self, caller: str) -> int:
        """Forget all of a caller."""
        self._forget_expired()
        known = list(self._of.get(caller, ()))
        for conversation_id in known:
            self._remove((caller, conversation_id))
        return len(known)

    async def problem(self) -> str | None:
        """Nothing can be in its way."""
        return None

    async def close(self) -> None:
        """Nothing to give back."""

    def _get(self, caller: str, conversation_id: str) -> _Entry:
        self._forget_expired()
        entry = self._entries.get((caller, checked_id(conversation_id)))
        if entry is None:
            raise unknown_conversation()
        return entry

    def _add(self, key: _Key) -> _Entry:
        self._forget_expired()
        entry = self._entries[key] = _Entry(0)
        self._of[key[0]].add(key[1])
        self.bytes += _OVERHEAD_BYTES
        self._shrink()
        return entry

    def _touch(self, key: _Key, entry: _Entry) -> None:
        entry.expires = self._clock() + self._settings.ttl_seconds
        self._entries.move_to_end(key)

    def _forget_expired(self) -> None:
        while self._entries and next(iter(self._entries.values())).expires <= self._clock():
            self._remove(next(iter(self._entries)))

    def _shrink(self) -> None:
        while len(self._entries) > MAX_CONVERSATIONS or self.bytes > MAX_BYTES:
            self._remove(next(iter(self._entries)))

    def _remove(self, key: _Key) -> None:
        entry = self._entries.pop(key)
        self.bytes -= _OVERHEAD_BYTES + len(entry.stored)
        self._of[key[0]].discard(key[1])
        if not self._of[key[0]]:
            del self._of[key[0]]
