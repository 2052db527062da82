"""Which version of an adapter answers, from tables."""

import pytest

from banktuner_api.serving import DesiredState
from banktuner_gateway.targets import Target, Version, drawn, in_canary, select_target, target_of_model
from tests.gateway.harness import adapter, canary, desired

OLD, NEW, BEFORE = (f"card-support-{digit * 12}" for digit in "abc")
SUBJECTS = [f"conversation-{number}" for number in range(10_000)]


def digest(digit: str) -> str:
    return f"sha256:{digit * 64}"


def baking(percent: int) -> DesiredState:
    return desired(canaries=[canary("card-support", "b", percent)])


def drawn_for(percent: int, inside: bool) -> str:
    return next(one for one in SUBJECTS if in_canary(digest("b"), one, percent) is inside)


@pytest.mark.parametrize(
    ("percent", "inside", "expected"),
    [
        (10, False, Target(OLD, "card-support", digest("a"), Version(NEW, digest("b")), percent=10)),
        (10, True, Target(NEW, "card-support", digest("b"), Version(OLD, digest("a")), percent=10)),
        # not everywhere yet: as if there were none
        (0, False, Target(OLD, "card-support", digest("a"), Version(BEFORE, digest("c")))),
    ],
)
def test_the_version_that_answers(percent: int, inside: bool, expected: Target) -> None:
    superseded = {"card-support": desired(adapters=[adapter("card-support", "c")]).adapters[0]}
    subject = drawn_for(percent, inside)
    by_default = select_target(baking(percent), superseded, None, use_default=True)
    by_name = select_target(baking(percent), superseded, "card-support", use_default=False)
    of_openai = [target_of_model(baking(percent), superseded, model) for model in ("assistant", "card-support")]
    assert [drawn(target, subject) for target in (by_default, by_name, *of_openai)] == [expected] * 4


def test_other_adapters_and_the_base_model_have_nothing_to_do_with_a_canary() -> None:
    state = desired(
        adapters=[adapter("card-support", "a"), adapter("wealth", "d")], canaries=[canary("card-support", "b", 99)]
    )
    for name in ("wealth", None):
        target = select_target(state, {}, name, use_default=False)
        assert [drawn(target, one) for one in SUBJECTS[:100]] == [target] * 100


def test_a_drawn_target_is_drawn_for_good() -> None:
    target = drawn(select_target(baking(50), {}, None, use_default=True), drawn_for(50, True))
    assert drawn(target, drawn_for(50, False)) == target


@pytest.mark.parametrize("percent", [1, 10, 50, 99])
def test_the_share_is_the_one_that_was_asked_for(percent: int) -> None:
    share = sum(in_canary(digest("b"), one, percent) for one in SUBJECTS) / len(SUBJECTS)
    # Five standard deviations of 10,000 independent draws at 50 % are 2.5 points.
    assert abs(share - percent / 100) < 0.025


def test_who_is_drawn_stays_drawn_when_the_share_grows_and_the_next_version_draws_anew() -> None:
    at_10, at_50 = ({one for one in SUBJECTS if in_canary(digest("b"), one, percent)} for percent in (10, 50))
    assert at_10 < at_50
    others = {one for one in SUBJECTS if in_canary(digest("d"), one, 10)}
    assert len(at_10 & others) < 0.3 * len(at_10)


def test_the_draw_is_the_same_in_every_version_of_the_gateway() -> None:
    """A change of the hash would move conversations between models in the middle of an update of the gateway."""
    assert [int(in_canary(digest("b"), one, 50)) for one in SUBJECTS[:12]] == [1, 1, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0]
    assert in_canary(digest("b"), "a caller \ud800 whose name is no Unicode", 99) in (True, False)
