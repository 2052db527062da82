"""Tells the agent API, from a thread of its own: best effort, the newest word only, never in the way of the work."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from banktuner_api.agent import AgentClient, AgentError, Report
from banktuner_api.finetunejob_status import Phase
from banktuner_api.run_config import JobIdentity

LOG = logging.getLogger("banktuner.stager")
RETRY_SECONDS = 5.0
"""Pause after a delivery that failed."""
SPACING_SECONDS = 1.0
"""Least time between two deliveries."""

REPEAT_SECONDS = 10.0
"""How often a container of a training pod says its newest word again: the trainer's last one may come after it."""

_Word = TypeVar("_Word")


class NewestWord(Generic[_Word]):
    """Delivers the newest of what it was told, again until it is delivered, and every `repeat` seconds if set."""

    def __init__(self, deliver: Callable[[_Word], None], repeat: float | None = None) -> None:
        self._deliver = deliver
        self._repeat = repeat
        self._changed = threading.Condition()
        self._word: _Word | None = None
        self._pending = False
        self._failing = False
        threading.Thread(target=self._run, name="reporting", daemon=True).start()

    def tell(self, word: _Word) -> None:
        """Replace what is to be delivered; returns at once."""
        with self._changed:
            self._word, self._pending = word, True
            self._changed.notify_all()

    def flush(self, seconds: float) -> None:
        """Wait until the newest word is delivered, or nobody is there to take it, at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._failing or not self._pending, seconds)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending, self._repeat)
                word = self._word
            if word is not None:
                time.sleep(self._send(word))

    def _send(self, word: _Word) -> float:
        try:
            self._deliver(word)
        except AgentError as error:
            if not self._failing:
                LOG.warning("the agent API is out of reach: %s", error)
            self._settle(failing=True, delivered=None)
            return RETRY_SECONDS
        self._settle(failing=False, delivered=word)
        return SPACING_SECONDS

    def _settle(self, failing: bool, delivered: _Word | None) -> None:
        with self._changed:
            # Compared here: a word that comes after the comparison and before the lock would be forgotten.
            self._failing, self._pending = failing, self._word is not delivered
            self._changed.notify_all()


def log_word(reason: str, message: str, _left_seconds: int | None = None, /) -> None:
    """A line in the container's log; a `waiting.Tell` where no status has its progress."""
    LOG.info("%s", f"{reason}: {message}" if reason else message)


class Progress:
    """Reports of one container of a training pod: its phase, and a reason where it waits for something."""

    def __init__(self, client: AgentClient, job: JobIdentity, phase: Phase) -> None:
        self._job = job
        self._phase = phase
        self._told: tuple[str, str, int | None] = ("", "", None)
        self._words: NewestWord[Report] = NewestWord(
            lambda word: client.report(job.namespace, job.name, word), repeat=REPEAT_SECONDS
        )

    def tell(self, reason: str, message: str, left_seconds: int | None = None, /) -> None:
        """What is going on, a `waiting.Tell`; the same twice in a row is sent and logged once."""
        if self._told == (reason, message, left_seconds):
            return
        self._told = (reason, message, left_seconds)
        log_word(reason, message)
        self._words.tell(
            Report(
                attempt=self._job.attempt,
                phase=self._phase,
                remaining_seconds=left_seconds,
                reason=reason,
                message=message[:1024],
            )
        )

    def flush(self) -> None:
        """Give the last word two seconds to be delivered."""
        self._words.flush(2.0)
