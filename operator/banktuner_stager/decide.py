"""Decides what to do about adapters from what is desired and what is so. Pure and level-triggered.

Every round starts from the engine's own list and the disk, so a restart of either process needs no special case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Step(StrEnum):
    """What can be done to one adapter version."""

    FETCH = "Fetch"
    LOAD = "Load"
    PROVE = "Prove"
    UNLOAD = "Unload"
    DELETE = "Delete"


@dataclass(frozen=True)
class Action:
    """One step for one served name."""

    step: Step
    served_name: str


@dataclass(frozen=True)
class World:
    """What is known. All sets hold served names.

    `desired` maps adapter name to served name, `canaries` are tried beside those. `loaded` is the engine's list, None
    while it cannot be asked.
    `proven` answered a token since they were loaded; `busy` have a step under way; `held` failed and wait.
    `static`: the engine loads adapters at its start only (TGI), so nothing but proving is left to do.
    """

    desired: Mapping[str, str]
    loaded: frozenset[str] | None = None
    on_disk: frozenset[str] = field(default_factory=frozenset)
    proven: frozenset[str] = field(default_factory=frozenset)
    busy: frozenset[str] = field(default_factory=frozenset)
    held: frozenset[str] = field(default_factory=frozenset)
    static: bool = False
    canaries: tuple[str, ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every version that is to be loaded."""
        return (*self.desired.values(), *self.canaries)


def decide(world: World) -> list[Action]:
    """The next step of each adapter version that can take one, desired ones first."""
    actions = [action for served_name in world.wanted if (action := _forward(world, served_name))]
    if not world.static:
        actions += [action for served_name in sorted(_known(world)) if (action := _backward(world, served_name))]
    return [action for action in actions if action.served_name not in world.busy]


def _forward(world: World, served_name: str) -> Action | None:
    if served_name in world.held:
        return None
    if served_name not in world.on_disk:
        return None if world.static else Action(Step.FETCH, served_name)
    if world.loaded is None:
        return None
    if served_name not in world.loaded:
        return None if world.static else Action(Step.LOAD, served_name)
    return None if served_name in world.proven else Action(Step.PROVE, served_name)


def _known(world: World) -> frozenset[str]:
    return (world.on_disk | (world.loaded or frozenset())) - frozenset(world.wanted)


def _backward(world: World, served_name: str) -> Action | None:
    if world.loaded is None or served_name in world.held:
        return None
    if served_name not in world.loaded:
        return Action(Step.DELETE, served_name)
    successor = world.desired.get(adapter_of(served_name))
    if successor is not None and successor not in world.proven:
        return None  # the old version answers until the new one does
    return Action(Step.UNLOAD, served_name)


def adapter_of(served_name: str) -> str:
    """The adapter's name in `names.served_name`."""
    return served_name.rpartition("-")[0]
