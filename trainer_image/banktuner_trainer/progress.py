"""How far an attempt is and how long it will still take, over all its steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from banktuner_api.finetunejob_status import Phase


class Step(StrEnum):
    """What an attempt does, in this order.

    The untuned model is evaluated before the training, or after it where the method can step aside, or not at all.
    """

    READ = "reading model and data"
    PROMOTED = "evaluating the promoted model"
    TOKENISE = "tokenising"
    BASELINE = "evaluating the untuned model"
    TRAIN = "training"
    EVALUATE = "evaluating the tuned model"
    COMPARE = "evaluating the untuned model beside it"
    EXPORT = "writing the artifact"
    PUBLISH = "publishing"


@dataclass(frozen=True)
class Share:
    """The phase that a step is told as, and its percent of the whole."""

    phase: Phase
    percent: int


SHARES: dict[Step, Share] = {
    Step.READ: Share(Phase.RUNNING, 2),
    Step.PROMOTED: Share(Phase.EVALUATING, 5),
    Step.TOKENISE: Share(Phase.RUNNING, 1),
    Step.BASELINE: Share(Phase.EVALUATING, 5),
    Step.TRAIN: Share(Phase.RUNNING, 72),
    Step.EVALUATE: Share(Phase.EVALUATING, 5),
    Step.COMPARE: Share(Phase.EVALUATING, 5),
    Step.EXPORT: Share(Phase.PUBLISHING, 3),
    Step.PUBLISH: Share(Phase.PUBLISHING, 2),
}
"""Percent of the seconds, after a LoRA run of three epochs over 570 rows on a CPU. A run that is unlike it is told
wrong at first, and right as it goes on."""


@dataclass(frozen=True)
class Place:
    """`percent` of the whole is done; `left_seconds` is None while nothing is known of the pace."""

    phase: Phase
    percent: int
    left_seconds: float | None


class Timeline:
    """Follows an attempt through its steps. Steps may be left out; none comes twice."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Starts now; `clock` gives seconds."""
        self._clock = clock
        self._started = clock()
        self._step = Step.READ
        self._step_started = self._started
        self._worked = 0.0
        self._done = 0.0

    def begin(self, step: Step) -> Place:
        """The step before is over, and `step` begins."""
        if step is not self._step:
            self._worked += SHARES[self._step].percent
            self._step, self._step_started, self._done = step, self._clock(), 0.0
        return self.place()

    def advance(self, done: float) -> Place:
        """`done`: the share of the step that is over, 0 to 1."""
        self._done = min(1.0, max(0.0, done))
        return self.place()

    def place(self) -> Place:
        """Where the attempt is now."""
        share = SHARES[self._step]
        before = sum(SHARES[step].percent for step in _before(self._step))
        percent = int(before + share.percent * self._done)
        return Place(share.phase, percent, self._left(share.percent))

    def _left(self, share: int) -> float | None:
        """This step goes on at its own pace, the later ones at that of the run so far."""
        now = self._clock()
        worked = self._worked + share * self._done
        if not worked:
            return None
        pace = (now - self._started) / worked
        later = sum(SHARES[step].percent for step in _after(self._step)) * pace
        if self._done:
            return (now - self._step_started) * (1 - self._done) / self._done + later
        return share * pace + later


def _before(step: Step) -> list[Step]:
    steps = list(Step)
    return steps[: steps.index(step)]


def _after(step: Step) -> list[Step]:
    steps = list(Step)
    return steps[steps.index(step) + 1 :]
