"""Progress: one plain log line per step of interest, and reports to the agent API that never delay or stop training."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from banktuner_api.agent import AgentError, Report
from banktuner_api.common import Metric
from banktuner_api.finetunejob_status import Phase, TrainerStatus
from banktuner_trainer.progress import Step, Timeline

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 2.0
Send = Callable[[Report], None]


def metric(name: str, value: float, baseline: float | None = None) -> Metric:
    """A number in the form of the API: at most six significant digits."""
    return Metric(name=name, value=f"{value:.6g}", baseline=None if baseline is None else f"{baseline:.6g}")


class Reporter:
    """Keeps the newest report and sends it from a thread of its own, at most one in INTERVAL_SECONDS.

    Use as a context manager; leaving it sends what is still unsent, and waits at most INTERVAL_SECONDS for that.
    """

    def __init__(self, send: Send, attempt: int, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """`send` delivers one report and may raise AgentError."""
        self._send = send
        self._attempt = attempt
        self._interval = interval_seconds
        self._timeline = Timeline()
        self._newest: Report | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._reachable = True
        self._trouble = ("", "")
        self._step = ""
        self._metrics: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)

    def __enter__(self) -> "Reporter":
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Send the last report and stop."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout=INTERVAL_SECONDS)

    def begin(self, step: Step, message: str = "") -> None:
        """A step of the attempt begins; logged and reported. Its message stands beside all its reports."""
        place = self._timeline.begin(step)
        self._step = f"{step.value}: {message}" if message else step.value
        logger.info("%s: %s", place.phase.value, self._step)
        self.update(place.phase, place.percent, place.left_seconds, message=self._step)

    def advance(self, done: float, metrics: Mapping[str, float] | None = None) -> float | None:
        """`done` (0 to 1) of the step is over; reported. The seconds that the attempt will still take, if known."""
        place = self._timeline.advance(done)
        self.update(place.phase, place.percent, place.left_seconds, metrics, self._step)
        return place.left_seconds

    def trouble(self, reason: str, message: str) -> None:
        """Every report tells of this from now on, until it is "": something is wrong that stops nothing."""
        self._trouble = (reason, message[:1024])

    def update(
        self,
        phase: Phase,
        progress: int,
        remaining_seconds: float | None = None,
        metrics: Mapping[str, float] | None = None,
        message: str = "",
    ) -> None:
        """Replace the report to be sent next; returns at once. Without `metrics` the last ones are told again."""
        self._metrics = dict(metrics or self._metrics)
        status = TrainerStatus(
            progress_percentage=min(100, max(0, progress)),
            estimated_remaining_seconds=None if remaining_seconds is None else max(0, round(remaining_seconds)),
            metrics=[metric(name, value) for name, value in self._metrics.items()],
            last_updated_time=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
        with self._changed:
            reason, trouble = self._trouble
            self._newest = Report(
                trainer_status=status, attempt=self._attempt, phase=phase, reason=reason, message=trouble or message
            )
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._closing.is_set())
                report, self._newest = self._newest, None
            if report is None:
                return
            self._deliver(report)
            self._closing.wait(self._interval)

    def _deliver(self, report: Report) -> None:
        try:
            self._send(report)
        except AgentError as error:
            if self._reachable:
                logger.info("progress cannot be reported for now: %s", error)
            self._reachable = False
        else:
            self._reachable = True


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        """Start now."""
        self._start = time.monotonic()

    def seconds(self) -> float:
        """Elapsed wall-clock time."""
        return time.monotonic() - self._start
