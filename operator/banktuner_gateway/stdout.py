"""Standard output: log lines wait in a bounded queue for the thread that writes them.

A pipe that nobody reads stops whoever writes to it: that must not be the event loop.
"""

import logging
import os
import threading
import time
from contextlib import suppress
from logging.handlers import QueueHandler
from queue import Full, Queue

STDOUT = 1
WRITING = threading.Lock()
"""Held by whoever writes a line to standard output: a pipe keeps no more than 4 KiB of one write together."""
MAX_LINES = 10_000
"""Lines that wait, some 3 MB. Further ones are dropped, and their number is told when there is room again."""
PAUSE_SECONDS = 0.02
"""How long the thread sleeps once all lines are written: woken for each, it would take the core from every request."""
END_SECONDS = 5.0
"""How long the process's end waits for somebody to take what is left."""


class LineQueue(QueueHandler):
    """Formats in the caller's thread, which never waits. For logs only: what must not be lost is written directly."""

    def __init__(self, formatter: logging.Formatter, descriptor: int = STDOUT, size: int = MAX_LINES) -> None:
        self._lines: Queue[str | None] = Queue(size)
        super().__init__(self._lines)
        self.setFormatter(formatter)
        self._dropped = 0
        # A daemon: a pipe that nobody reads must not hold up the process's end.
        self._writer = threading.Thread(target=self._write, args=(descriptor,), name="log", daemon=True)
        self._writer.start()

    def prepare(self, record: logging.LogRecord) -> str:
        """The line."""
        return self.format(record)

    def enqueue(self, record: str) -> None:  # type: ignore[override]  # what `prepare` made is no record any more
        """Never waits; called with the handler's lock held."""
        try:
            if self._dropped:
                self._lines.put_nowait(self.format(_dropped(self._dropped)))
                self._dropped = 0
            self._lines.put_nowait(record)
        except Full:
            self._dropped += 1

    def close(self) -> None:
        """Writes what waits, if it is read in time."""
        with suppress(Full):
            self._lines.put(None, timeout=END_SECONDS)
        self._writer.join(END_SECONDS)
        super().close()

    def _write(self, descriptor: int) -> None:
        while (line := self._lines.get()) is not None:
            content = line.encode("utf-8", "backslashreplace") + b"\n"
            # Where the reader is gone for good nobody is left to be told.
            with suppress(OSError), WRITING:
                while content:
                    content = content[os.write(descriptor, content) :]
            if self._lines.empty():
                time.sleep(PAUSE_SECONDS)


def _dropped(lines: int) -> logging.LogRecord:
    record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, "log lines dropped", None, None)
    record.fields = {"lines": lines}
    return record
