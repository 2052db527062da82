"""What pods tell, written into status: at most once a second an object, the newest word wins."""

import asyncio
import logging
from dataclasses import dataclass

from banktuner_api.common import Json
from banktuner_operator.cluster.client import ApiError, Client

log = logging.getLogger(__name__)
INTERVAL_SECONDS = 1.0


@dataclass(frozen=True)
class Target:
    """One field manager of one object's status."""

    kind: str
    namespace: str
    name: str
    manager: str


class StatusWrites:
    """Coalesces status writes: the top-level fields of the newest call win."""

    def __init__(self, client: Client) -> None:
        """Nothing is told yet."""
        self._client = client
        self._pending: dict[Target, Json] = {}
        self._told: dict[Target, Json] = {}
        self._tasks: dict[Target, asyncio.Task[None]] = {}

    def told(self, target: Target, written: Json) -> Json:
        """What this field manager said last: not yet written, or `written`, what the object has of it."""
        return self._told.get(target, written)

    def put(self, target: Target, body: Json, written: Json | None = None) -> None:
        """Write soon; the first word of an object at once.

        `written`: what this field manager said earlier and still holds; what is told but not yet written counts more.
        """
        status = self.told(target, written or {}) | body["status"]
        self._told[target] = status
        self._pending[target] = body | {"status": status}
        if target not in self._tasks:
            self._tasks[target] = asyncio.create_task(self._drain(target))

    async def flush(self) -> None:
        """Wait until everything told so far is written or refused."""
        await asyncio.gather(*list(self._tasks.values()))

    async def _drain(self, target: Target) -> None:
        try:
            while target in self._pending:
                await self._write(target, self._pending.pop(target))
                await asyncio.sleep(INTERVAL_SECONDS)
        finally:
            del self._tasks[target], self._told[target]

    async def _write(self, target: Target, body: Json) -> None:
        try:
            await self._client.apply(body, target.manager, "status")
        except ApiError as error:
            log.warning("status of %s %s/%s: %s", target.kind, target.namespace, target.name, error)
