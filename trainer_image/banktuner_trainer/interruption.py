"""SIGTERM while a training loop runs: noted by the handler, answered between two steps."""

import signal
import time
from types import TracebackType
from typing import Any

from banktuner_api import names

MARGIN_SECONDS = 10.0
"""Of the grace period, left for the process's own end."""


class Interruption:
    """As a context manager it takes SIGTERM over from whoever had it, and gives it back if none came."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._since: float | None = None
        self._before: Any = None

    def __enter__(self) -> "Interruption":
        """From here on a signal is only noted."""
        self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """A second signal stays ignored: it must not break the leave-taking."""
        if self._since is None:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, *_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._since = time.monotonic()

    @property
    def requested(self) -> bool:
        """Whether the pod was told to stop."""
        return self._since is not None

    def seconds_left(self) -> float:
        """Of the grace period, for what is still to be done; 0 where it is over or was never begun."""
        if self._since is None:
            return 0.0
        return max(0.0, names.GRACE_SECONDS - MARGIN_SECONDS - (time.monotonic() - self._since))
