"""Makes the real parts from the settings; nothing is connected yet, but for what a file tells."""

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from banktuner_api import names
from banktuner_api.agent import AgentClient
from banktuner_gateway.access.caller import Authenticator
from banktuner_gateway.access.jwks import Jwks
from banktuner_gateway.access.rate import RateLimiter
from banktuner_gateway.access.signed import JwtAuthenticator
from banktuner_gateway.access.tokens import TokenStore
from banktuner_gateway.audit.build import Place, open_audit
from banktuner_gateway.audit.denials import Denials
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.audit.metrics import AuditCollector
from banktuner_gateway.conversations.memory import MemoryStore
from banktuner_gateway.conversations.redis_store import RedisStore
from banktuner_gateway.conversations.store import ConversationStore
from banktuner_gateway.deps import Deps
from banktuner_gateway.desired import DesiredWatcher
from banktuner_gateway.engine.client import EngineClient
from banktuner_gateway.observability import Metrics
from banktuner_gateway.pipeline.assistant import Assistant
from banktuner_gateway.pipeline.parts import Parts
from banktuner_gateway.pipeline.unmarked import Unmarked
from banktuner_gateway.privacy.masker import Masker
from banktuner_gateway.privacy.names import NameRecogniser
from banktuner_gateway.retrieval.config import load_config
from banktuner_gateway.retrieval.retriever import Retriever, open_retriever
from banktuner_gateway.scope.classifier import IntentClassifier
from banktuner_gateway.scope.guard import ScopeGuard
from banktuner_gateway.scope.system_prompt import TEMPLATE, system_prompt
from banktuner_gateway.settings import Settings, SettingsError

T = TypeVar("T")
CLAIM_SECONDS = 30
"""How much longer than an answer may take a conversation is held by a process that may be gone."""


def build_deps(settings: Settings, environment: Mapping[str, str] = os.environ) -> Deps:
    """The real parts for these settings. Raises SettingsError, and what cannot be read."""
    config = settings.config
    client = AgentClient(config.agent_url, settings.token_file, settings.config_dir / names.CA_KEY)
    engine, audit = EngineClient(config), _audit(settings, environment)
    conversations, retriever = _conversations(settings), _retriever(settings, environment)
    metrics = Metrics()
    metrics.registry.register(AuditCollector(audit))
    return Deps(
        authenticator=_authenticator(settings),
        limiter=RateLimiter(config.rate_limit),
        rules=config.access,
        desired=DesiredWatcher(client, config.namespace, config.name, settings.config_dir / names.DESIRED_KEY),
        engine=engine,
        assistant=Assistant(_parts(settings, engine, audit, conversations, retriever)),
        conversations=conversations,
        audit=audit,
        denials=Denials(audit),
        retriever=retriever,
        model_name=config.scope.model_name,
        metrics=metrics,
    )


def _parts(
    settings: Settings,
    engine: EngineClient,
    audit: AuditLog,
    conversations: ConversationStore,
    retriever: Retriever | None,
) -> Parts:
    config = settings.config
    scope, privacy = config.scope, config.privacy
    template = TEMPLATE if scope.system_prompt is None else scope.system_prompt
    return Parts(
        system=system_prompt(scope.model_name, scope.rejection, template),
        rejection=scope.rejection,
        engine=engine,
        audit=audit,
        scope=_scope_guard(settings),
        answer_tokens=config.max_tokens,
        history_tokens=config.conversations.max_tokens,
        conversations=conversations,
        masker=_masker(settings) if privacy.mask_input or privacy.mask_output else None,
        masks_questions=privacy.mask_input,
        masks_answers=privacy.mask_output,
        retriever=retriever,
    )


def _masker(settings: Settings) -> Masker:
    privacy = settings.config.privacy
    if privacy.names is None:
        return Masker(privacy.entities, privacy.allow)
    if settings.name_model is None:
        raise SettingsError(f"{settings.work_dir}/names: missing, though spec.gateway.privacy.names is set")
    return Masker(privacy.entities, privacy.allow, _loaded(NameRecogniser, settings.name_model, "privacy.names"))


def _loaded(kind: Callable[[Path], T], folder: Path, field: str) -> T:
    try:
        return kind(folder)
    # onnxruntime and tokenizers raise plain Exceptions of their own for files that are not what they should be.
    except Exception as error:
        reason = error if isinstance(error, ValueError) else type(error).__name__
        raise SettingsError(f"spec.gateway.{field}: the model cannot be used: {reason}") from error


def _scope_guard(settings: Settings) -> ScopeGuard:
    scope = settings.config.scope
    if scope.classifier is None:
        return ScopeGuard(None, None, scope.rejection)
    if settings.classifier is None:
        raise SettingsError(f"{settings.work_dir}/classifier: missing, though spec.gateway.scope.classifier is set")
    classifier = _loaded(IntentClassifier, settings.classifier, "scope.classifier")
    return ScopeGuard(Unmarked(classifier), scope.threshold_percent, scope.rejection)


def _authenticator(settings: Settings) -> Authenticator:
    jwt = settings.config.jwt
    return TokenStore(settings.tokens_dir) if jwt is None else JwtAuthenticator(jwt, Jwks(jwt.jwks_uri))


def _conversations(settings: Settings) -> ConversationStore:
    config = settings.config
    seconds = config.hold_seconds + config.request_timeout_seconds + CLAIM_SECONDS
    if config.conversations.store == "Memory":
        return MemoryStore(config.conversations, seconds)
    if settings.redis_url is None:
        place = settings.secrets_dir / "redis" / "url"
        raise SettingsError(f"{place}: missing, though spec.gateway.conversations.store is Redis")
    url = settings.redis_url.read_text(encoding="utf-8").strip()
    try:
        return RedisStore(url, f"{config.namespace}/{config.name}", config.conversations, seconds)
    except ValueError as error:
        raise SettingsError(f"spec.gateway.conversations.redisSecretRef: {error}") from None


def _audit(settings: Settings, environment: Mapping[str, str]) -> AuditLog:
    config = settings.config
    gateway = f"{config.namespace}/{config.name}"
    # The host's name is the pod's in most clusters, and the only one outside of a pod.
    pod = environment.get("POD_NAME") or socket.gethostname()
    place = Place(gateway, pod, settings.audit_key, settings.audit_dir, environment)
    return open_audit(config.audit, place)


def _retriever(settings: Settings, environment: Mapping[str, str]) -> Retriever | None:
    if settings.retrieval is None:
        return None
    return open_retriever(load_config(settings.retrieval), environment, settings.work_dir / "encoder")
