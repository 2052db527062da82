"""Wakes those who wait for a change of an object."""

import asyncio
from collections import defaultdict


class Hub:
    """Waiters by (namespace, name)."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._waiters: dict[tuple[str, str], set[asyncio.Event]] = defaultdict(set)

    def notify(self, namespace: str, name: str) -> None:
        """Something about this object may have changed."""
        for event in self._waiters.get((namespace, name), set()):
            event.set()

    async def wait(self, namespace: str, name: str, seconds: float) -> None:
        """Return at the next notification, or after some seconds."""
        key, event = (namespace, name), asyncio.Event()
        self._waiters[key].add(event)
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            pass
        finally:
            self._waiters[key].discard(event)
            if not self._waiters[key]:
                del self._waiters[key]
