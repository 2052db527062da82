"""Everything that the pipeline works with, made once for the process."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.conversations.budget import Budget
from banktuner_gateway.conversations.store import ConversationStore
from banktuner_gateway.engine.client import EngineClient
from banktuner_gateway.errors import ApiError, retry_later
from banktuner_gateway.privacy.masker import Masker
from banktuner_gateway.retrieval.retriever import Retriever
from banktuner_gateway.scope.guard import ScopeGuard

logger = logging.getLogger("banktuner.gateway.pipeline")

P = ParamSpec("P")
T = TypeVar("T")
RETRY_SECONDS = 5


@dataclass(frozen=True)
class Parts:
    """`system`: the system prompt, "" for none; `rejection`: the refusal; `masker` is for what the two `masks_` say.

    In tokens: `answer_tokens`, at most of an answer; `history_tokens`, at most of the earlier turns.
    """

    system: str
    rejection: str
    engine: EngineClient
    audit: AuditLog
    scope: ScopeGuard
    answer_tokens: int
    history_tokens: int
    conversations: ConversationStore
    masker: Masker | None = None
    masks_questions: bool = False
    masks_answers: bool = False
    retriever: Retriever | None = None

    @property
    def budget(self) -> Budget:
        """By what the engine tells of its model now."""
        capacity = self.engine.capacity
        return Budget(capacity.beside(self.answer_tokens) if capacity else None, self.history_tokens)

    @property
    def asks_models(self) -> bool:
        """Whether an answer's text goes through a classifier or a name model."""
        names = self.masker is not None and self.masks_answers and self.masker.has_names
        return self.scope.threshold is not None or names


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a guard's or the search's work, which takes milliseconds. Fails closed: raises ApiError 503."""
    try:
        return await asyncio.to_thread(work, *args, **kwargs)
    except Exception as error:
        raise _failed(error) from error


async def at_once(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The same for what takes less than a thread's start."""
    try:
        return work(*args, **kwargs)
    except Exception as error:
        raise _failed(error) from error


def _failed(error: Exception) -> ApiError:
    logger.error("a guard or the search failed", exc_info=error)
    return guard_unavailable()


def guard_unavailable() -> ApiError:
    """503: what cannot be judged is not answered."""
    return retry_later("guard_unavailable", "The question cannot be checked at the moment. Try again.", RETRY_SECONDS)
