"""Which adapters a caller may use."""

from collections.abc import Collection, Sequence

from banktuner_api.gateway import AccessRule
from banktuner_gateway.access.caller import Caller
from banktuner_gateway.errors import ApiError


def may_use(caller: Caller, adapter: str | None, rules: Collection[AccessRule]) -> bool:
    """Whether the caller may use this adapter; None is the base model. What no rule names is everybody's; several
    rules for one adapter open it to the groups of each."""
    groups = [set(rule.groups) for rule in rules if rule.adapter == adapter]
    return not groups or any(caller.groups & allowed for allowed in groups)


def usable_adapters(caller: Caller, adapters: Sequence[str], rules: Collection[AccessRule]) -> list[str]:
    """Those of `adapters` that the caller may use, in their order: what `available` and /v1/models may name."""
    return [adapter for adapter in adapters if may_use(caller, adapter, rules)]


def require_access(
    caller: Caller,
    adapter: str | None,
    adapters: Sequence[str],
    rules: Collection[AccessRule],
    *,
    field: str = "adapter",
) -> None:
    """Raises ApiError 403 `adapter_forbidden`, which names no group and, of `adapters`, those that the caller may use.

    That an adapter exists is no secret: whoever is refused is to ask for access, not to look for a typing error.
    """
    if may_use(caller, adapter, rules):
        return
    raise ApiError(
        403,
        "adapter_forbidden",
        "This adapter is not open to you. Use one of `available`, or ask the bank's administrators for access.",
        field=field,
        available=usable_adapters(caller, adapters, rules),
    )
