"""Bearer tokens against a mounted Secret of SHA-256 digests, taken up anew when the Secret changes."""

import hashlib
import hmac
import logging
import os
import re
import time
from contextlib import suppress
from pathlib import Path

from banktuner_gateway.access.caller import Caller, Headers, bearer_token, unauthorized

logger = logging.getLogger("banktuner.gateway.access")

CHECK_SECONDS = 1.0
"""How old the last look at the directory may be; a revoked token works no longer than this after the kubelet's swap."""
_HEX_DIGEST = re.compile(r"[0-9a-fA-F]{64}")

_Signature = tuple[tuple[str, int, int, int], ...]


class TokenStore:
    """The callers of a directory with one file each: a digest, or one a line while a token is being replaced.

    A file that holds anything else admits nobody and is told.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._digests: dict[str, tuple[bytes, ...]] = {}
        self._signature: _Signature | None = None
        self._checked_at = -CHECK_SECONDS
        self.problems: list[str] = []
        """What is wrong with the directory, for people; no names, because readiness tells it to everybody."""

    @property
    def usable(self) -> bool:
        """Whether at least one caller can be let in."""
        self._refresh()
        return bool(self._digests)

    def start(self) -> None:
        """Read the directory, so that the first request need not."""
        self._refresh()

    async def close(self) -> None:
        """Nothing runs in the background."""

    async def authenticate(self, headers: Headers) -> Caller:
        """The caller, whose one group is its own name. Raises ApiError 401, the same for everything that is wrong."""
        self._refresh()
        presented = hashlib.sha256(bearer_token(headers) or b"").digest()
        caller = None
        # All digests are compared whatever matched: the time does not tell which caller came near.
        for name, digests in self._digests.items():
            for digest in digests:
                if hmac.compare_digest(digest, presented):
                    caller = name
        if caller is None:
            raise unauthorized()
        return Caller(caller, frozenset({caller}))

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked_at < CHECK_SECONDS:
            return
        self._checked_at = now
        try:
            signature = _signature(self._directory)
            if signature == self._signature:
                return
            self._digests, malformed = _read_all(self._directory)
            self._signature = signature
            self.problems = _problems(len(self._digests), len(malformed))
        except OSError as error:
            self._digests, self._signature, malformed = {}, None, []
            self.problems = [f"tokens: the directory cannot be read: {error.strerror}"]
        fields = {"callers": sorted(self._digests), "malformed": malformed, "problems": self.problems}
        logger.log(logging.WARNING if self.problems else logging.INFO, "tokens read", extra={"fields": fields})


def _entries(directory: Path) -> list[os.DirEntry[str]]:
    # A mounted Secret keeps its data in folders whose names start with "..", behind the link "..data".
    with os.scandir(directory) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith("..")), key=lambda entry: entry.name)


def _signature(directory: Path) -> _Signature:
    signature = []
    for entry in _entries(directory):
        # The kubelet swaps ..data first and takes away the links of what is gone afterwards.
        with suppress(FileNotFoundError):
            stat = entry.stat()
            signature.append((entry.name, stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(signature)


def _read_all(directory: Path) -> tuple[dict[str, tuple[bytes, ...]], list[str]]:
    digests: dict[str, tuple[bytes, ...]] = {}
    malformed: list[str] = []
    for entry in _entries(directory):
        try:
            words = Path(entry.path).read_text(encoding="ascii", errors="replace").split()
        except FileNotFoundError:
            continue  # see _signature
        if words and all(map(_is_digest, words)):
            digests[entry.name] = tuple(map(bytes.fromhex, words))
        else:
            malformed.append(entry.name)
    return digests, malformed


def _is_digest(word: str) -> bool:
    return bool(_HEX_DIGEST.fullmatch(word)) and bytes.fromhex(word) != hashlib.sha256(b"").digest()


def _problems(callers: int, malformed: int) -> list[str]:
    problems = []
    if malformed:
        problems.append(
            f"tokens: {malformed} of {callers + malformed} entries are not one or more SHA-256 of 64 hex digits"
        )
    if not callers:
        problems.append("tokens: there is no caller, so nobody is let in")
    return problems
