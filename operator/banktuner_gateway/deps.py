"""The parts that the routes work with, and how the real ones are made."""

from collections.abc import Sequence
from dataclasses import dataclass

from banktuner_api.gateway import AccessRule
from banktuner_gateway.access.caller import Authenticator
from banktuner_gateway.access.rate import RateLimiter
from banktuner_gateway.audit.denials import Denials
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.conversations.store import ConversationStore
from banktuner_gateway.desired import DesiredWatcher
from banktuner_gateway.engine.client import EngineClient
from banktuner_gateway.observability import Metrics
from banktuner_gateway.pipeline.assistant import Assistant
from banktuner_gateway.retrieval.retriever import Retriever


@dataclass(frozen=True)
class Deps:
    """What the routes work with; reachable as `request.app.state.deps`. `model_name`: `model` in the chat's answers."""

    authenticator: Authenticator
    limiter: RateLimiter
    rules: Sequence[AccessRule]
    desired: DesiredWatcher
    engine: EngineClient
    assistant: Assistant
    conversations: ConversationStore
    audit: AuditLog
    denials: Denials
    retriever: Retriever | None
    model_name: str
    metrics: Metrics
