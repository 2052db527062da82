"""Before the model is asked: mask, look for attacks, judge the scope, search the documents, put the prompt together."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from banktuner_gateway.conversations.budget import approximate_tokens, fit
from banktuner_gateway.conversations.model import Turn as KeptTurn
from banktuner_gateway.engine.messages import Prompt, Turn
from banktuner_gateway.injection.control import neutral
from banktuner_gateway.injection.inspection import TURNS, Verdict, inspect, inspect_turns
from banktuner_gateway.pipeline.history import without_questions, without_refused
from banktuner_gateway.pipeline.messages import Intent, Question
from banktuner_gateway.pipeline.parts import Parts, at_once, in_thread
from banktuner_gateway.pipeline.trace import Trace
from banktuner_gateway.pipeline.unmarked import unmarked
from banktuner_gateway.privacy.vault import Vault
from banktuner_gateway.retrieval.prompt import Cited, prompt_block, sources
from banktuner_gateway.retrieval.retriever import Retriever
from banktuner_gateway.retrieval.types import Passage

logger = logging.getLogger("banktuner.gateway.guards")

LONG = 2000
"""Characters from which on masking and inspecting take longer than a thread's start and hand-over."""


@dataclass(frozen=True)
class Fixed:
    """An answer that needs no model: the refusal, or small talk."""

    text: str
    refused: bool
    intent: Intent | None = None


@dataclass(frozen=True)
class InScope:
    """A question for the model; `strangers`: which of the client's earlier questions are not, counted from 0."""

    intent: Intent | None
    strangers: Sequence[int]


@dataclass(frozen=True)
class Ready:
    """What the model is to be asked; `masked` is the question as the conversation keeps it."""

    masked: str
    prompt: Prompt
    intent: Intent | None
    sources: tuple[Cited, ...]


async def prepare(
    parts: Parts, question: Question, history: Sequence[KeptTurn], vault: Vault, trace: Trace
) -> Fixed | Ready:
    """Raises ApiError 422 where it is too long, 503 where a guard or the search does not work."""
    masked, earlier = await _masked(parts, question, vault)
    trace.asked(masked, earlier, looked=parts.masks_questions)
    kept = [turn.question for turn in history]
    own = [turn.content for turn in earlier if turn.role == "user"]
    if await _attacks([*kept[1 - TURNS :], *own, masked], [*(turn.content for turn in earlier), masked], trace):
        return Fixed(parts.rejection, refused=True)
    scope = await _scope(parts, masked, kept, own, trace)
    if isinstance(scope, Fixed):
        return scope
    passages = await _passages(parts.retriever, masked, trace) if parts.retriever else []
    turns = (*without_questions(earlier, scope.strangers), Turn("user", masked))
    return Ready(masked, _prompt(parts, question, passages, history, turns), scope.intent, tuple(sources(passages)))


async def _attacks(asked: Sequence[str], sent: Sequence[str], trace: Trace) -> bool:
    run = in_thread if sum(map(len, sent)) > LONG else at_once
    verdict = await run(inspect_turns, asked, sent)
    trace.injection(verdict)
    return verdict.blocked


async def _passages(retriever: Retriever, masked: str, trace: Trace) -> list[Passage]:
    """What the documents say, without passages that would attack the model: those are on record, and in the log."""
    judged = await in_thread(_search, retriever, masked)
    attacks = [(one, verdict.rules) for one, verdict in judged if verdict.blocked]
    for one, rules in attacks:
        fields = {"document": one.chunk.document, "passage": one.chunk.position, "rules": list(rules)}
        logger.warning("a passage that attacks the model was left out", extra={"fields": fields})
    if attacks:
        trace.left_out_passages([rules for _, rules in attacks])
    passages = [one for one, verdict in judged if not verdict.blocked]
    trace.used(passages)
    return passages


def _search(retriever: Retriever, masked: str) -> list[tuple[Passage, Verdict]]:
    return [(one, inspect(one.chunk.text)) for one in retriever.search(masked)]


async def _masked(parts: Parts, question: Question, vault: Vault) -> tuple[str, list[Turn]]:
    sent = without_refused(question.earlier, parts.rejection)
    if parts.masker is None or not parts.masks_questions:
        return question.text, sent
    length = len(question.text) + sum(len(turn.content) for turn in sent)
    mask = in_thread if length > LONG or parts.masker.has_names else at_once
    earlier = [Turn(turn.role, await mask(parts.masker.mask, turn.content, vault)) for turn in sent]
    return await mask(parts.masker.mask, question.text, vault), earlier


async def _scope(parts: Parts, masked: str, kept: Sequence[str], own: Sequence[str], trace: Trace) -> Fixed | InScope:
    """`kept`: the questions of a stored conversation, judged when they came; `own`: those that the client sent."""
    ask = in_thread if parts.scope.threshold is not None else at_once
    # Not the classifier's reading alone: a placeholder would count as a topic of its own.
    text, *before = map(unmarked, (masked, *kept, *own))
    verdict = await ask(parts.scope.question, text, before)
    trace.scope(verdict, "input")
    intent = Intent(verdict.label, verdict.confidence or 0.0) if verdict.label is not None else None
    if not verdict.allowed:
        return Fixed(parts.rejection, refused=True, intent=intent)
    if verdict.reply is not None:
        return Fixed(verdict.reply, refused=False)
    strangers = await ask(parts.scope.strangers, before[len(kept) :]) if own else []
    if strangers:
        trace.left_out_turns(len(strangers))
    return InScope(intent, strangers)


def _prompt(
    parts: Parts,
    question: Question,
    passages: Sequence[Passage],
    history: Sequence[KeptTurn],
    own: Sequence[Turn],
) -> Prompt:
    system = "\n\n".join(part for part in (parts.system, prompt_block(passages)) if part)
    safe = [Turn(turn.role, neutral(turn.content)) for turn in own]
    always = [*([system] if system else []), *(turn.content for turn in safe)]
    kept = fit(history, always, parts.budget, approximate_tokens, field=question.text_field)
    turns = [Turn("system", system)] if system else []
    for turn in kept:
        turns += [Turn("user", neutral(turn.question)), Turn("assistant", turn.answer)]
    return Prompt((*turns, *safe), question.max_tokens, dict(question.sampling))
