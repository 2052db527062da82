"""Remembers which questions were found to be in scope: a client sends a conversation's with each new one."""

import hashlib
import threading

MOST = 10_000


class Lately:
    """The newest MOST, by their digests: no text stays. May be shared by threads."""

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}
        self._lock = threading.Lock()

    def add(self, text: str, topic: str | None) -> None:
        """`topic`: the earlier question that it is about, if it has none of its own."""
        with self._lock:
            self._known[_digest(text, topic)] = None
            if len(self._known) > MOST:
                del self._known[next(iter(self._known))]

    def has(self, text: str, topic: str | None) -> bool:
        """Whether the same was added lately."""
        return _digest(text, topic) in self._known


def _digest(text: str, topic: str | None) -> bytes:
    return hashlib.blake2b(repr((text, topic)).encode(), digest_size=16).digest()
