"""Pure: which of the engine's models answers a question. The only place that maps names of callers to the engine's."""

from collections.abc import Mapping
from dataclasses import dataclass

from banktuner_api import names
from banktuner_api.bankingmodel import Engine
from banktuner_api.serving import DesiredState
from banktuner_gateway.errors import ApiError, retry_later

RETRY_SECONDS = 5


@dataclass(frozen=True)
class Target:
    """`model` is the engine's name of what is asked, `adapter` the caller's name of it; None is the base model.

    `previous` is the adapter's version before this one: it answers until the engine has loaded the new one.
    `digest`: of the artifact behind `model`.
    """

    model: str
    adapter: str | None
    previous: str | None = None
    digest: str | None = None


def select_target(
    state: DesiredState | None, superseded: Mapping[str, str], adapter: str | None, use_default: bool
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
        found = served[wanted]
        return Target(found.served_name, wanted, superseded.get(wanted), found.digest)
    if use_default:
        raise adapter_not_ready(wanted)
    raise ApiError(
        404,
        "unknown_adapter",
        "There is no adapter of this name. Leave the field out for the default, or give null for the base model.",
        field="adapter",
        available=sorted(served),
    )


BASE_SUFFIX = "-base"
"""Ends the id that asks the base model where a default adapter answers to the BankingModel's own name."""


def model_ids(state: DesiredState | None) -> list[str]:
    """What a client of the OpenAI API may ask for: the assistant, the base model alone, each adapter."""
    if state is None:
        raise retry_later("not_ready", "It is not known yet which models are served.", RETRY_SECONDS)
    base = [state.name + BASE_SUFFIX] if state.default_adapter else []
    return [state.name, *base, *sorted(item.name for item in state.adapters)]


def target_of_model(state: DesiredState | None, superseded: Mapping[str, str], model: str) -> Target:
    """What an id of `model_ids` means. Raises ApiError 404 for others, 503 as `select_target` does."""
    known = model_ids(state)
    if model not in known:
        message = "There is no model of this name. GET /v1/models lists them."
        raise ApiError(404, "model_not_found", message, field="model", available=known)
    assert state is not None
    if model == state.name:
        return select_target(state, superseded, None, use_default=True)
    adapter = None if model == state.name + BASE_SUFFIX and state.default_adapter else model
    return select_target(state, superseded, adapter, use_default=False)


def adapter_not_ready(adapter: str) -> ApiError:
    """503: the adapter is wanted, but no engine has it yet."""
    return retry_later("adapter_not_ready", f"Adapter {adapter} is not loaded yet. Try again.", RETRY_SECONDS)
