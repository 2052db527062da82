"""Before the model is asked: mask, look for attacks, judge the scope, search the documents, put the prompt together."""

from collections.abc import Sequence
from dataclasses import dataclass

from banktuner_gateway.conversations.budget import approximate_tokens, fit
from banktuner_gateway.conversations.model import Turn as KeptTurn
from banktuner_gateway.engine.messages import Prompt, Turn
from banktuner_gateway.injection.control import neutral
from banktuner_gateway.injection.inspection import inspect, inspect_turns
from banktuner_gateway.pipeline.messages import Intent, Question
from banktuner_gateway.pipeline.parts import Parts, at_once, in_thread
from banktuner_gateway.pipeline.trace import Trace
from banktuner_gateway.privacy.vault import Vault
from banktuner_gateway.retrieval.prompt import Cited, prompt_block, sources
from banktuner_gateway.retrieval.retriever import Retriever
from banktuner_gateway.retrieval.types import Passage

LONG = 2000
"""Characters from which on masking and inspecting take longer than a thread's start and hand-over."""


@dataclass(frozen=True)
class Fixed:
    """An answer that needs no model: the refusal, or small talk."""

    text: str
    refused: bool
    intent: Intent | None = None


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
    before = [turn.question for turn in history] + [turn.content for turn in earlier if turn.role == "user"]
    run = in_thread if len(masked) > LONG else at_once
    verdict = await run(inspect_turns, [*before, masked])
    trace.injection(verdict)
    if verdict.blocked:
        return Fixed(parts.rejection, refused=True)
    scope = await _scope(parts, masked, before, trace)
    if isinstance(scope, Fixed):
        return scope
    passages = await in_thread(_search, parts.retriever, masked) if parts.retriever else []
    trace.used(passages)
    prompt = _prompt(parts, question, passages, history, (*earlier, Turn("user", masked)))
    return Ready(masked, prompt, scope, tuple(sources(passages)))


def _search(retriever: Retriever, masked: str) -> list[Passage]:
    """What the documents say, without passages that would attack the model."""
    return [one for one in retriever.search(masked) if not inspect(one.chunk.text).blocked]


async def _masked(parts: Parts, question: Question, vault: Vault) -> tuple[str, list[Turn]]:
    if parts.masker is None or not parts.masks_questions:
        return question.text, list(question.earlier)
    length = len(question.text) + sum(len(turn.content) for turn in question.earlier)
    mask = in_thread if length > LONG or parts.masker.has_names else at_once
    earlier = [Turn(turn.role, await mask(parts.masker.mask, turn.content, vault)) for turn in question.earlier]
    return await mask(parts.masker.mask, question.text, vault), earlier


async def _scope(parts: Parts, masked: str, before: Sequence[str], trace: Trace) -> Fixed | Intent | None:
    ask = in_thread if parts.scope.threshold is not None else at_once
    verdict = await ask(parts.scope.question, masked, before)
    trace.scope(verdict, "input")
    intent = Intent(verdict.label, verdict.confidence or 0.0) if verdict.label is not None else None
    if not verdict.allowed:
        return Fixed(parts.rejection, refused=True, intent=intent)
    return Fixed(verdict.reply, refused=False) if verdict.reply is not None else intent


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
