"""What the BankingModel is to serve, kept current by a thread that long-polls the agent API.

The mounted desired.json answers while the agent API cannot, so pods start and serve with the operator down.
"""

import asyncio
import logging
import random
import threading
import time
from pathlib import Path

from pydantic import ValidationError

from banktuner_api.agent import AgentClient, AgentError
from banktuner_api.serving import DesiredAdapter, DesiredState

logger = logging.getLogger("banktuner.gateway.desired")

WAIT_SECONDS = 30
"""How long the agent API may hold a question that has no news."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
SHORTEST_ROUND_SECONDS = 0.5
BETWEEN_EXTRA_SECONDS = 1.0
"""Callers of names that nobody serves may not make more questions to the agent API than one in this time."""
EXTRA_SECONDS = 2.0
"""How long a caller waits for an extra question's answer."""


class DesiredWatcher:
    """Holds the newest DesiredState in `current`; None until one was seen. Reading it never blocks."""

    def __init__(self, client: AgentClient, namespace: str, name: str, file: Path) -> None:
        self.current: DesiredState | None = None
        self.superseded: dict[str, DesiredAdapter] = {}
        """Adapter name -> its version before the present one, as far as this process has seen."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._file = file
        self._file_revision: str | None = None
        self._taking = threading.Lock()
        self._extra: asyncio.Task[bool] | None = None
        self._extra_began = 0.0
        self._stopped = threading.Event()
        # A daemon: a question held open by the agent API must not hold up the process's end.
        self._thread = threading.Thread(target=self._run, name="desired", daemon=True)

    def start(self) -> None:
        """Read the file, then follow the agent API in the background."""
        self._take_file()
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; does not wait for a question that is on its way."""
        self._stopped.set()

    @property
    def alive(self) -> bool:
        """Whether the thread still follows the agent API."""
        return self._thread.is_alive()

    async def ask_again(self) -> None:
        """Asks beside the long poll, for a name that `current` does not have: the engine may have been told before.

        So it is after an operator's restart, when this process still waits for its next try.
        """
        idle = self._extra is None or self._extra.done()
        if idle and time.monotonic() - self._extra_began > BETWEEN_EXTRA_SECONDS:
            self._extra_began = time.monotonic()
            self._extra = asyncio.create_task(asyncio.to_thread(self._poll, 0))
        if self._extra is not None:
            await asyncio.wait({self._extra}, timeout=EXTRA_SECONDS)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopped.is_set():
            started = time.monotonic()
            if self._poll(WAIT_SECONDS):
                pause = FIRST_PAUSE_SECONDS
                # A server that answers at once without news must not be asked in a busy loop.
                self._stopped.wait(max(0.0, SHORTEST_ROUND_SECONDS - (time.monotonic() - started)))
            else:
                self._take_file()
                self._stopped.wait(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _poll(self, wait_seconds: int) -> bool:
        seen = self.current.revision if self.current else ""
        try:
            state = self._client.desired(self._namespace, self._name, seen, wait_seconds)
        except (AgentError, ValidationError) as error:
            logger.warning("agent API cannot be asked", extra={"fields": {"error": str(error)[:300]}})
            return False
        if state is not None:
            self._take(state, "agent API")
        return True

    def _take_file(self) -> None:
        """Only a file that moved since the last look counts: the kubelet brings it later than the agent API told."""
        try:
            state = DesiredState.model_validate_json(self._file.read_bytes())
        except (OSError, ValidationError) as error:
            logger.warning("desired.json cannot be read", extra={"fields": {"error": type(error).__name__}})
            return
        if state.revision != self._file_revision:
            self._file_revision = state.revision
            self._take(state, "file")

    def _take(self, state: DesiredState, source: str) -> None:
        with self._taking:
            if self.current and self.current.revision == state.revision:
                return
            # Before `current`: who reads both never misses the version that was just replaced.
            self.superseded = superseded(self.current, state, self.superseded)
            self.current = state
        adapters = [adapter.served_name for adapter in state.versions]
        fields = {"source": source, "revision": state.revision, "adapters": adapters}
        logger.info("desired state taken", extra={"fields": fields})


def superseded(
    old: DesiredState | None, new: DesiredState, before: dict[str, DesiredAdapter]
) -> dict[str, DesiredAdapter]:
    """For each adapter of `new` the version before its present one: from `old` where it changed, else from `before`."""
    replaced = {adapter.name: adapter for adapter in old.adapters} if old else {}
    result = {}
    for adapter in new.adapters:
        previous = replaced.get(adapter.name)
        if previous is None or previous.served_name == adapter.served_name:
            previous = before.get(adapter.name)
        if previous is not None:
            result[adapter.name] = previous
    return result
