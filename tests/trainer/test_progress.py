"""How far an attempt is and how long it takes still, by a clock that the test turns."""

from dataclasses import dataclass

import pytest

from banktuner_api.agent import Report
from banktuner_api.finetunejob_status import Phase
from banktuner_trainer.progress import SHARES, Step, Timeline
from banktuner_trainer.reporting import Reporter


@dataclass
class FakeClock:
    """Seconds that pass when the test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_shares_are_a_whole() -> None:
    assert list(SHARES) == list(Step)
    assert sum(share.percent for share in SHARES.values()) == 100


def test_a_run_that_is_like_the_shares_is_told_right_all_the_way() -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    assert timeline.place().left_seconds is None
    seconds_each = 3.0
    for step in Step:
        for tenth in range(1, 11):
            timeline.begin(step)
            clock.now += SHARES[step].percent * seconds_each / 10
            place = timeline.advance(tenth / 10)
            left = 1000 + 100 * seconds_each - clock.now
            assert place.left_seconds == pytest.approx(left, abs=1e-6)
            assert place.percent == pytest.approx((clock.now - 1000) / seconds_each, abs=1)
            assert place.phase is SHARES[step].phase
    assert timeline.place().percent == 100


def test_a_step_goes_by_its_own_pace_and_the_later_ones_by_that_of_the_run() -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    timeline.begin(Step.TRAIN)
    clock.now += 770
    place = timeline.advance(0.5)
    later = sum(SHARES[step].percent for step in (Step.EVALUATE, Step.COMPARE, Step.EXPORT, Step.PUBLISH))
    worked = SHARES[Step.READ].percent + SHARES[Step.TRAIN].percent / 2
    assert place.left_seconds == pytest.approx(770 + later * 770 / worked)


def test_before_its_first_report_a_step_is_told_by_the_pace_so_far() -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    clock.now += 4
    place = timeline.begin(Step.PROMOTED)
    assert place.percent == SHARES[Step.READ].percent
    assert place.left_seconds == pytest.approx(4 / SHARES[Step.READ].percent * (100 - SHARES[Step.READ].percent))


def test_progress_never_goes_back_and_a_step_may_be_left_out() -> None:
    clock = FakeClock()
    timeline = Timeline(clock)
    told = []
    for step in (Step.TOKENISE, Step.TRAIN, Step.EVALUATE, Step.EXPORT, Step.PUBLISH):
        clock.now += 1
        told.append(timeline.begin(step).percent)
        told.append(timeline.advance(0.7).percent)
        told.append(timeline.advance(1.7).percent)
        told.append(timeline.begin(step).percent)
    assert told == sorted(told)
    assert told[-1] == 100


def test_every_step_reaches_the_agent_with_phase_percent_and_time_left() -> None:
    sent: list[Report] = []
    reporter = Reporter(sent.append, attempt=2)
    for step in Step:
        reporter.begin(step, "details")
        newest = reporter._newest
        assert newest is not None
        assert newest.phase is SHARES[step].phase
        assert newest.message == f"{step.value}: details"
        left = reporter.advance(0.5, {"loss": 1.5})
        newest = reporter._newest
        assert newest is not None
        assert newest.trainer_status is not None
        assert newest.trainer_status.estimated_remaining_seconds == round(left or 0)
        assert [metric.value for metric in newest.trainer_status.metrics] == ["1.5"]
        assert newest.message == f"{step.value}: details"
    assert newest.phase is Phase.PUBLISHING
    reporter.begin(Step.PUBLISH)
    assert reporter._newest is not None and reporter._newest.trainer_status is not None
    assert [metric.name for metric in reporter._newest.trainer_status.metrics] == ["loss"]  # the last that is known
