"""The signals that tell a command to end: held from before the first long import on, taken in `main.run`."""

import signal

SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


def hold() -> None:
    """Leave them pending for `sigtimedwait`, in this thread and those that it starts."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
