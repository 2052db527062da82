"""What sync decides, from tables."""

import pytest

from banktuner_stager.decide import Action, Step, World, adapter_of, decide

NEW, OLD, OTHER = "cards-bbbbbbbbbbbb", "cards-aaaaaaaaaaaa", "loans-cccccccccccc"
CARDS = {"cards": NEW}


def names(*served: str) -> frozenset[str]:
    return frozenset(served)


def both(answering: str, *canaries: str) -> World:
    """Both versions are loaded and proved."""
    there = names(OLD, NEW)
    return World({"cards": answering}, there, there, there, canaries=canaries)


@pytest.mark.parametrize(
    ("world", "expected"),
    [
        (World({}), []),
        (World({}, loaded=names()), []),
        # forward, a step a round
        (World(CARDS), [Action(Step.FETCH, NEW)]),
        (World(CARDS, loaded=None, on_disk=names(NEW)), []),
        (World(CARDS, loaded=names(), on_disk=names(NEW)), [Action(Step.LOAD, NEW)]),
        (World(CARDS, loaded=names(NEW), on_disk=names(NEW)), [Action(Step.PROVE, NEW)]),
        (World(CARDS, loaded=names(NEW), on_disk=names(NEW), proven=names(NEW)), []),
        # the engine restarted: its list is empty, whatever was proved before
        (World(CARDS, loaded=names(), on_disk=names(NEW), proven=names(NEW)), [Action(Step.LOAD, NEW)]),
        # the folder is gone, the engine has the adapter: fetched, for the engine's next start
        (World(CARDS, loaded=names(NEW), on_disk=names(), proven=names(NEW)), [Action(Step.FETCH, NEW)]),
        # busy and held ones are left alone, others are not
        (World(CARDS, loaded=names(), busy=names(NEW)), []),
        (World(CARDS, loaded=names(), held=names(NEW)), []),
        (World({**CARDS, "loans": OTHER}, loaded=names(), held=names(NEW)), [Action(Step.FETCH, OTHER)]),
        # replaced: the old version stays until the new one is proved
        (World(CARDS, loaded=names(OLD), on_disk=names(OLD)), [Action(Step.FETCH, NEW)]),
        (World(CARDS, loaded=names(OLD, NEW), on_disk=names(OLD, NEW)), [Action(Step.PROVE, NEW)]),
        (World(CARDS, loaded=names(OLD), on_disk=names(OLD), held=names(NEW)), []),
        (
            World(CARDS, loaded=names(OLD, NEW), on_disk=names(OLD, NEW), proven=names(NEW)),
            [Action(Step.UNLOAD, OLD)],
        ),
        (World(CARDS, loaded=names(NEW), on_disk=names(OLD, NEW), proven=names(NEW)), [Action(Step.DELETE, OLD)]),
        # tried beside the version that answers: loaded too, and neither makes the other go
        (
            World({"cards": OLD}, loaded=names(OLD), on_disk=names(OLD), proven=names(OLD), canaries=(NEW,)),
            [Action(Step.FETCH, NEW)],
        ),
        (both(OLD, NEW), []),
        (both(OLD), [Action(Step.UNLOAD, NEW)]),
        (both(NEW), [Action(Step.UNLOAD, OLD)]),
        # removed: unloaded, then deleted, never while the engine cannot be asked
        (World({}, loaded=names(OLD), on_disk=names(OLD)), [Action(Step.UNLOAD, OLD)]),
        (World({}, loaded=names(), on_disk=names(OLD)), [Action(Step.DELETE, OLD)]),
        (World({}, loaded=None, on_disk=names(OLD)), []),
        (World({}, loaded=names(OLD), on_disk=names(OLD), busy=names(OLD)), []),
        (World({}, loaded=names(OLD), on_disk=names(OLD), held=names(OLD)), []),
        # an engine that loads at its start only: proved, nothing else
        (World(CARDS, loaded=names(), static=True), []),
        (World(CARDS, loaded=names(NEW), on_disk=names(NEW), static=True), [Action(Step.PROVE, NEW)]),
        (World({}, loaded=names(OLD), on_disk=names(OLD), static=True), []),
    ],
)
def test_decide(world: World, expected: list[Action]) -> None:
    assert decide(world) == expected


def test_decide_ends_in_a_fixed_point_from_any_start() -> None:
    """Applying the actions until there are none leaves exactly what is desired, loaded and proved."""
    starts = [
        (set(disk), set(loaded), set(proven))
        for disk in ([], [OLD], [OLD, NEW], [OTHER])
        for loaded in ([], [OLD], [NEW], [OLD, OTHER])
        for proven in ([], [NEW])
    ]
    for disk, loaded, proven in starts:
        for _ in range(20):
            proven &= loaded
            actions = decide(World(CARDS, frozenset(loaded), frozenset(disk), frozenset(proven)))
            for action in actions:
                change = {
                    Step.FETCH: disk.add,
                    Step.LOAD: loaded.add,
                    Step.PROVE: proven.add,
                    Step.UNLOAD: loaded.discard,
                    Step.DELETE: disk.discard,
                }[action.step]
                change(action.served_name)
        assert (disk, loaded, proven) == ({NEW}, {NEW}, {NEW})


def test_adapter_of_a_served_name() -> None:
    assert adapter_of("card-support-0123456789ab") == "card-support"
