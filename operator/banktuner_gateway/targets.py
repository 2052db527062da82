"""Pure: which of the engine's models answers a question. The only place that maps names of callers to the engine's."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from banktuner_api import names
from banktuner_api.bankingmodel import Engine
from banktuner_api.serving import DesiredAdapter, DesiredState
from banktuner_gateway.errors import ApiError, retry_later

RETRY_SECONDS = 5


@dataclass(frozen=True)
class Version:
    """One version of an adapter: the engine's name of it, and the digest of its artifact."""

    model: str
    digest: str

    @classmethod
    def of(cls, adapter: DesiredAdapter) -> "Version":
        """As the engine is told."""
        return cls(adapter.served_name, adapter.digest)


@dataclass(frozen=True)
class Target:
    """`model` is the engine's name of what is asked, `adapter` the caller's name of it; None is the base model.

    `digest`: of the artifact behind `model`. `fallback` answers where the engine does not have `model`. `canary` is the
    version that `percent` of the conversations ask in place of `model`: see `drawn`.
    """

    model: str
    adapter: str | None
    digest: str | None = None
    fallback: Version | None = None
    canary: Version | None = None
    percent: int = 0

    def digest_of(self, model: str) -> str | None:
        """Of the artifact behind the one that answered."""
        if model == self.model:
            return self.digest
        return self.fallback.digest if self.fallback and model == self.fallback.model else None


def drawn(target: Target, subject: str) -> Target:
    """The target with the one version that answers `subject`: a conversation or, where there is none, a caller.

    The same in every replica and at any time, so that a conversation does not change its model on the way. Each new
    version draws anew. The version that was not drawn is the fallback: when a canary ends, the engine may have one of
    the two less a moment before the gateway knows.
    """
    canary, digest = target.canary, target.digest
    if canary is None or digest is None:
        return target
    if in_canary(canary.digest, subject, target.percent):
        other = Version(target.model, digest)
        return replace(target, model=canary.model, digest=canary.digest, fallback=other, canary=None)
    return replace(target, fallback=canary, canary=None)


def in_canary(digest: str, subject: str, percent: int) -> bool:
    """Whether the version with this digest answers `subject`, when it answers `percent` of them all."""
    number = hashlib.sha256(f"{digest}/{subject}".encode(errors="surrogatepass")).digest()[:8]
    return int.from_bytes(number, "big") % 100 < percent


def select_target(
    state: DesiredState | None, superseded: Mapping[str, DesiredAdapter], adapter: str | None, use_default: bool
) -> Target:
    """The default adapter (or, where there is none, the base model) when `use_default`, else what `adapter` says.

    Raises ApiError: 503 while nothing is known or the default adapter has no version yet, 404 for an unknown name.
    A name that is not on the list never reaches the engine: TGI would answer it from the base model without an error.
    """
    if state is None:
        raise retry_later("not_ready", "It is not known yet which models are served.", RETRY_SECONDS)
    wanted = state.default_adapter if use_default else adapter
    if wanted is None:
        return Target(names.TGI_BASE_MODEL if state.engine is Engine.TGI else state.name, None)
    served = {item.name: item for item in state.adapters}
    if wanted in served:
        return _versions(state, superseded, served[wanted])
    if use_default:
        raise adapter_not_ready(wanted)
    raise ApiError(
        404,
        "unknown_adapter",
        "There is no adapter of this name. Leave the field out for the default, or give null for the base model.",
        field="adapter",
        available=sorted(served),
    )


def _versions(state: DesiredState, superseded: Mapping[str, DesiredAdapter], found: DesiredAdapter) -> Target:
    before = superseded.get(found.name)
    target = Target(found.served_name, found.name, found.digest, Version.of(before) if before else None)
    canary = next((item for item in state.canaries if item.name == found.name and item.percent), None)
    return replace(target, canary=Version.of(canary), percent=canary.percent) if canary else target


BASE_SUFFIX = "-base"
"""Ends the id that asks the base model where a default adapter answers to the BankingModel's own name."""


def model_ids(state: DesiredState | None) -> list[str]:
    """What a client of the OpenAI API may ask for: the assistant, the base model alone, each adapter."""
    if state is None:
        raise retry_later("not_ready", "It is not known yet which models are served.", RETRY_SECONDS)
    base = [state.name + BASE_SUFFIX] if state.default_adapter else []
    return [state.name, *base, *sorted(item.name for item in state.adapters)]


def adapter_of_model(state: DesiredState | None, model: str) -> str | None:
    """The adapter behind an id of `model_ids`; None is the base model. Raises ApiError 404 for other ids, 503."""
    known = model_ids(state)
    if model not in known:
        message = "There is no model of this name. GET /v1/models lists them."
        raise ApiError(404, "model_not_found", message, field="model", available=known)
    assert state is not None
    if model == state.name:
        return state.default_adapter
    return None if model == state.name + BASE_SUFFIX and state.default_adapter else model


def target_of_model(state: DesiredState | None, superseded: Mapping[str, DesiredAdapter], model: str) -> Target:
    """What an id of `model_ids` means. Raises ApiError 404 for others, 503 as `select_target` does."""
    adapter = adapter_of_model(state, model)
    return select_target(state, superseded, adapter, use_default=state is not None and model == state.name)


def adapter_not_ready(adapter: str) -> ApiError:
    """503: the adapter is wanted, but no engine has it yet."""
    return retry_later("adapter_not_ready", f"Adapter {adapter} is not loaded yet. Try again.", RETRY_SECONDS)
