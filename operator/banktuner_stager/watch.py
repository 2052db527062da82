"""What to serve: the agent API's word as soon as it changes, and the mounted desired.json while the API is away."""

import logging
import time
from collections.abc import Callable

from pydantic import ValidationError

from banktuner_api import names
from banktuner_api.agent import AgentClient, AgentError
from banktuner_api.serving import DesiredState
from banktuner_stager.errors import StagerError
from banktuner_stager.paths import Paths
from banktuner_stager.serving import read_desired

LOG = logging.getLogger("banktuner.stager")

WAIT_SECONDS = 20
RETRY_SECONDS = 2.0


class DesiredWatch:
    """Follows the desired state and hands each change to `changed`."""

    def __init__(self, first: DesiredState, paths: Paths, changed: Callable[[DesiredState], None]) -> None:
        self._current = first
        self._in_file = first.revision
        self._paths = paths
        self._changed = changed
        self._client = AgentClient(first.agent_url, paths.token, paths.config / names.CA_KEY)
        self._away = False

    def run(self) -> None:
        """Follow without end."""
        while True:
            newest = self.step()
            if newest is not None and newest.revision != self._current.revision:
                LOG.info("desired state %s: %d adapters", newest.revision, len(newest.adapters))
                self._current = newest
                self._changed(newest)
            if self._away:
                time.sleep(RETRY_SECONDS)

    def step(self) -> DesiredState | None:
        """One long poll; the mounted file's content where the API is away and the file changed."""
        current = self._current
        mounted = self._newer_file()
        try:
            told = self._client.desired(current.namespace, current.name, current.revision, WAIT_SECONDS)
        except (AgentError, ValidationError) as error:
            if not self._away:
                LOG.warning("the agent API is out of reach, the mounted desired.json counts: %s", type(error).__name__)
            self._away = True
            return mounted
        self._away = False
        return told

    def _newer_file(self) -> DesiredState | None:
        """The mounted state if it changed since it was last read: the kubelet is up to two minutes behind the API."""
        try:
            mounted = read_desired(self._paths)
        except StagerError:
            return None
        changed = mounted.revision != self._in_file
        self._in_file = mounted.revision
        return mounted if changed else None
