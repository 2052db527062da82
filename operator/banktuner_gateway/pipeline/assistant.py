"""Answers a question, whole or in pieces: guards before and after the model, the conversation, the record."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from banktuner_gateway.conversations.model import Turn as KeptTurn
from banktuner_gateway.conversations.store import OpenTurn, open_turn
from banktuner_gateway.engine.messages import Delta, Usage
from banktuner_gateway.errors import ApiError, internal_error
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.pipeline.messages import Question, Reply
from banktuner_gateway.pipeline.outgoing import Outgoing
from banktuner_gateway.pipeline.parts import Parts, at_once, in_thread
from banktuner_gateway.pipeline.prepare import Fixed, Ready, prepare
from banktuner_gateway.pipeline.trace import Outcome, Trace, audit_unavailable
from banktuner_gateway.privacy.vault import Vault
from banktuner_gateway.targets import drawn

logger = logging.getLogger("banktuner.gateway.pipeline")

FILTERED = "content_filter"
"""What OpenAI's clients know as the reason why an answer ended early or was replaced."""
CLIENT_LEFT = 499


class Assistant:
    """One for the process."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def answer(self, question: Question, record: RequestRecord) -> Reply:
        """The whole answer, recorded. Raises ApiError."""
        async with self._exchange(question, record) as exchange:
            return await exchange.whole()

    @asynccontextmanager
    async def stream(self, question: Question, record: RequestRecord) -> AsyncIterator["Exchange"]:
        """`pieces()` of the answer, and when they are read its `reply`. Raises ApiError, on entry and while reading."""
        async with self._exchange(question, record) as exchange:
            yield exchange

    @asynccontextmanager
    async def _exchange(self, question: Question, record: RequestRecord) -> AsyncIterator["Exchange"]:
        if not self._parts.audit.healthy:
            raise audit_unavailable()
        trace = Trace(self._parts.audit, record)
        exchange = Exchange(self._parts, question, trace)
        try:
            async with self._turn(question, record) as turn:
                await exchange.begin(turn)
                yield exchange
        except ApiError as problem:
            await exchange.failed(problem)
            raise
        except asyncio.CancelledError:
            # In a task of its own: this one is cancelled.
            await asyncio.shield(asyncio.create_task(exchange.left()))
            raise
        except Exception as error:
            logger.exception("unhandled", extra={"fields": {"request_id": record.request_id}})
            unexpected = internal_error()
            await exchange.failed(unexpected)
            raise unexpected from error

    @asynccontextmanager
    async def _turn(self, question: Question, record: RequestRecord) -> AsyncIterator[OpenTurn | None]:
        if not question.remembered:
            yield None
            return
        caller = record.caller or ""
        async with open_turn(self._parts.conversations, caller, question.conversation) as turn:
            yield turn


class Exchange:
    """A question being answered."""

    def __init__(self, parts: Parts, question: Question, trace: Trace) -> None:
        self.reply: Reply | None = None
        self._parts = parts
        self._question = question
        self._trace = trace
        self._turn: OpenTurn | None = None
        self._target = question.target
        self._vault = Vault()
        self._prepared: Fixed | Ready = Fixed("", refused=True)
        self._streaming = False
        self._outgoing: Outgoing | None = None
        self._sent = 0
        """Characters of the model's words, masked, that left."""
        self._instead = ""
        """What left in the place of the model's words."""
        self._last = Delta(finish_reason="stop", usage=Usage())

    async def begin(self, turn: OpenTurn | None) -> None:
        """Everything before the model."""
        self._turn = turn
        request = self._trace.request
        self._target = drawn(self._question.target, turn.conversation.id if turn else request.caller or "")
        request.served_name = self._target.model
        history: tuple[KeptTurn, ...] = ()
        if turn is not None:
            self._trace.conversation = turn.conversation.id
            history = turn.conversation.turns
            if turn.conversation.vault:
                self._vault = await at_once(Vault.from_json, json.dumps(dict(turn.conversation.vault)))
        self._prepared = await prepare(self._parts, self._question, history, self._vault, self._trace)

    async def whole(self) -> Reply:
        """Raises ApiError."""
        if isinstance(self._prepared, Fixed):
            return await self._fixed(self._prepared)
        outgoing = self._outgoing = Outgoing(self._parts, self._vault)
        started = time.perf_counter()
        record = self._trace.request
        try:
            said = await self._parts.engine.complete(
                self._target, self._prepared.prompt, record.request_id, self._question.text_field
            )
        finally:
            record.upstream_seconds = time.perf_counter() - started
        self._served(said.model)
        text = await self._out(outgoing, said.text, at_end=True)
        if outgoing.is_refusal:
            self._instead = self._parts.rejection
        else:
            self._sent = outgoing.passed
        return await self._spoken(outgoing, text, said.finish_reason, said.usage)

    async def pieces(self) -> AsyncIterator[str]:
        """What may be sent, as it comes, and "" at once when the engine begins to answer; `reply` is there afterwards.

        Raises ApiError.
        """
        self._streaming = True
        await self._trace.keep("started", 200, "stream_started")
        if isinstance(self._prepared, Fixed):
            self._instead = self._prepared.text
            yield self._instead
            await self._fixed(self._prepared)
            return
        outgoing = self._outgoing = Outgoing(self._parts, self._vault)
        sent: list[str] = []
        async for text in self._said(outgoing, self._prepared):
            self._sent = outgoing.passed
            sent.append(text)
            yield text
        if outgoing.refused and not self._sent:
            self._instead = self._parts.rejection
            yield self._instead
        await self._spoken(outgoing, "".join(sent), self._last.finish_reason or "stop", self._last.usage or Usage())

    async def failed(self, problem: ApiError) -> None:
        """Record that there was no answer, or no more of it, unless it is the record that failed."""
        if not self._trace.request.audited and problem.code != "audit_unavailable":
            await self._ended("denied" if problem.status < 500 else "failed", problem.status, problem.code)

    async def left(self) -> None:
        """Record that the client went away."""
        if not self._trace.request.audited:
            await self._ended("cancelled", CLIENT_LEFT, "client_disconnected")

    async def _said(self, outgoing: Outgoing, ready: Ready) -> AsyncIterator[str]:
        """The model's words as they may leave, and "" when it begins; `_last` tells how it ended."""
        begun = False
        async for delta in self._deltas(ready):
            if not begun:
                begun = True
                yield ""
            self._last = Delta("", delta.finish_reason or self._last.finish_reason, delta.usage or self._last.usage)
            if text := await self._out(outgoing, delta.text, at_end=False):
                yield text
            if outgoing.refused:
                break
        if rest := await self._out(outgoing, "", at_end=True):
            yield rest

    async def _deltas(self, ready: Ready) -> AsyncIterator[Delta]:
        started = time.perf_counter()
        record = self._trace.request
        try:
            stream = self._parts.engine.stream(self._target, ready.prompt, record.request_id, self._question.text_field)
            async with stream as (deltas, model):
                self._served(model)
                async for delta in deltas:
                    yield delta
        finally:
            record.upstream_seconds = time.perf_counter() - started

    async def _out(self, outgoing: Outgoing, piece: str, at_end: bool) -> str:
        """Through the guards; in a thread where a model is asked."""
        work = outgoing.flush if at_end else outgoing.feed
        return await in_thread(work, piece) if self._parts.asks_models else await at_once(work, piece)

    async def _fixed(self, fixed: Fixed) -> Reply:
        reason = FILTERED if fixed.refused else "stop"
        # Nothing is added to a conversation, but one that was there goes on.
        conversation = self._question.conversation
        self.reply = Reply(fixed.text, fixed.refused, reason, Usage(), fixed.intent, conversation=conversation)
        self._instead = fixed.text
        self._tell()
        await self._keep("refused" if fixed.refused else "answered", 200)
        return self.reply

    async def _spoken(self, outgoing: Outgoing, text: str, reason: str, usage: Usage) -> Reply:
        assert isinstance(self._prepared, Ready)
        refused = outgoing.is_refusal
        conversation = None
        if self._turn is not None:
            conversation = self._turn.conversation.id
            kept = self._parts.rejection if refused else outgoing.masked
            vault = json.loads(self._vault.to_json())
            await self._turn.add(KeptTurn(self._prepared.masked, kept), vault)
        self.reply = Reply(
            self._parts.rejection if refused else text,
            refused,
            FILTERED if refused else reason,
            usage,
            self._prepared.intent,
            () if refused else self._prepared.sources,
            conversation,
        )
        self._tell()
        await self._keep("refused" if refused else "answered", 200)
        return self.reply

    async def _ended(self, outcome: Outcome, status: int, error: str) -> None:
        """Record an end before the answer's own. Of a whole answer nothing has left then."""
        if self._streaming and (self._sent or self._instead):
            self._tell()
        await self._keep(outcome, status, error)

    def _tell(self) -> None:
        """What left, and what the guards said of it."""
        words = ""
        if self._outgoing is not None:
            self._outgoing.tell(self._trace, left=self._sent > 0)
            words = self._outgoing.masked[: self._sent]
        self._trace.said(words or self._instead)

    async def _keep(self, outcome: Outcome, status: int, error: str | None = None) -> None:
        self._trace.request.audited = True
        await self._trace.keep(outcome, status, "stream_ended" if self._streaming else "decision", error)

    def _served(self, model: str) -> None:
        self._trace.request.served_name = model
        self._trace.adapter_digest = self._target.digest_of(model)
