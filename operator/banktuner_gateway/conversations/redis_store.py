"""Conversations in Redis or Valkey (from version 6): shared by all replicas, and kept when a gateway restarts."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast
from uuid import uuid4

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from banktuner_api.gateway import Conversations
from banktuner_gateway.conversations.model import Conversation, Turn, decode, encode_with
from banktuner_gateway.conversations.scripts import APPEND, BEGIN, DELETE, DONE, ERASE, GONE, RELEASE, TEXT
from banktuner_gateway.conversations.store import (
    Claim,
    busy,
    checked_id,
    claim_lost,
    new_id,
    unavailable,
    unknown_conversation,
)
from banktuner_gateway.errors import ApiError

logger = logging.getLogger("banktuner.gateway.conversations")

SOCKET_SECONDS = 1.0
OPERATION_SECONDS = 2.5
"""For one operation, its one new attempt after a lost connection and the wait for a free connection included."""
MAX_CONNECTIONS = 64
_ERASED_AT_ONCE = 500
_SCHEMES = ("redis://", "rediss://", "unix://")

_T = TypeVar("_T")
_Script = Callable[..., Awaitable[Any]]


class RedisStore:
    """Each operation is one script, so that it happens wholly or not at all.

    Keys hold digests and random ids only, and every key has a time to live.
    """

    def __init__(self, url: str, model: str, settings: Conversations, claim_seconds: float) -> None:
        """`model`: namespace/name of the BankingModel; several may share a server. Raises ValueError for the url."""
        self._redis = Redis(connection_pool=_pool(url))
        self._model = model
        self._max_turns = settings.max_turns
        self._ttl = settings.ttl_seconds
        self._claim_milliseconds = round(claim_seconds * 1000)
        self._begin = self._script(BEGIN)
        self._append = self._script(APPEND)
        self._release = self._script(RELEASE)
        self._delete = self._script(DELETE)
        self._erase = self._script(ERASE)

    async def begin(self, caller: str, conversation_id: str | None) -> Claim:
        """Claim a conversation."""
        identifier = new_id() if conversation_id is None else checked_id(conversation_id)
        token, is_new = uuid4().hex, "1" if conversation_id is None else "0"
        arguments = (token, identifier, self._ttl, self._claim_milliseconds, is_new)
        outcome, *stored = await self._run(self._begin, caller, identifier, *arguments)
        if outcome != DONE:
            raise unknown_conversation() if outcome == GONE else busy()
        return Claim(caller, _decoded(identifier, stored[0]), token)

    async def append(self, claim: Claim, turn: Turn, vault: Mapping[str, Any]) -> None:
        """Add the turn."""
        stored = encode_with(claim.conversation, turn, vault, self._max_turns)
        identifier = claim.conversation.id
        outcome = await self._run(self._append, claim.caller, identifier, claim.token, identifier, self._ttl, stored)
        if outcome != DONE:
            raise unknown_conversation() if outcome == GONE else claim_lost()

    async def release(self, claim: Claim) -> None:
        """Give the claim back."""
        identifier = claim.conversation.id
        await self._run(self._release, claim.caller, identifier, claim.token, identifier)

    async def history(self, caller: str, conversation_id: str) -> Conversation:
        """What was said."""
        key = self._keys(caller, checked_id(conversation_id))[0]
        stored = await _bounded(lambda: cast(Awaitable[bytes | None], self._redis.hget(key, TEXT)))
        if stored is None:
            raise unknown_conversation()
        return _decoded(conversation_id, stored)

    async def delete(self, caller: str, conversation_id: str) -> None:
        """Forget a conversation."""
        identifier = checked_id(conversation_id)
        if await self._run(self._delete, caller, identifier, identifier) != DONE:
            raise unknown_conversation()

    async def erase(self, caller: str) -> int:
        """Forget all of a caller, some hundreds with each script, so that the server is not held up for others."""
        prefix = self._prefix(caller)
        erased, seen = 0, _ERASED_AT_ONCE
        while seen == _ERASED_AT_ONCE:
            seen, existed = await _bounded(lambda: self._erase(keys=[f"{prefix}:all"], args=[prefix, _ERASED_AT_ONCE]))
            erased += existed
        return erased

    async def problem(self) -> str | None:
        """Whether the server answers."""
        try:
            await _bounded(lambda: self._redis.ping())
        except ApiError:
            return "conversations: the Redis server does not answer"
        return None

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._redis.connection_pool.disconnect()

    def _script(self, text: str) -> _Script:
        return cast(_Script, self._redis.register_script(text))

    async def _run(self, script: _Script, caller: str, identifier: str, *arguments: str | bytes | int) -> Any:
        return await _bounded(lambda: script(keys=self._keys(caller, identifier), args=arguments))

    def _keys(self, caller: str, identifier: str) -> list[str]:
        prefix = self._prefix(caller)
        return [f"{prefix}:{identifier}", f"{prefix}:{identifier}:claim", f"{prefix}:all"]

    def _prefix(self, caller: str) -> str:
        owner = hashlib.sha256(json.dumps([self._model, caller]).encode()).hexdigest()
        return f"banktuner:{owner}"


def _pool(url: str) -> BlockingConnectionPool:
    if not url.startswith(_SCHEMES):
        raise ValueError(f"url: must begin with one of {', '.join(_SCHEMES)}")
    try:
        return BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=SOCKET_SECONDS,
            socket_connect_timeout=SOCKET_SECONDS,
            socket_timeout=SOCKET_SECONDS,
            # A script that ran although its answer was lost may run again: each knows its own token.
            retry=Retry(NoBackoff(), 1),
        )
    except ValueError:
        # Its text may quote the password.
        raise ValueError("url: not the address of a Redis server") from None


async def _bounded(operation: Callable[[], Awaitable[_T]]) -> _T:
    """Raises ApiError 503 for everything that is wrong with the server, and tells the kind alone."""
    try:
        async with asyncio.timeout(OPERATION_SECONDS):
            return await operation()
    except (RedisError, OSError) as error:
        logger.warning("no answer from Redis", extra={"fields": {"exception": type(error).__name__}})
        raise unavailable() from None


def _decoded(identifier: str, stored: bytes) -> Conversation:
    try:
        return decode(identifier, stored)
    except ValueError:
        logger.error("a stored conversation cannot be read", extra={"fields": {"conversation": identifier}})
        raise unavailable() from None
