"""Records on a volume: files of one chain each, appended to and synced, and what crashed processes left there."""

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from banktuner_gateway.audit.errors import SinkError
from banktuner_gateway.audit.heads import SignedHead
from banktuner_gateway.audit.record import GENESIS, Torn, Witnessed, hash_line, read_record
from banktuner_gateway.audit.sinks import Worker

SUFFIX = ".jsonl"
FILE_BYTES = 64 * 1024 * 1024
"""A file that has reached it is followed by another."""
SURVEY_SECONDS = 7 * 86400
_TAIL_BYTES = 64 * 1024


@dataclass
class _Open:
    """The file being written. `size` counts the bytes that are kept for certain."""

    descriptor: int
    day: str
    size: int = 0


class VolumeSink:
    """Files `<chain>.<first sequence number>.jsonl`; a new one each day (UTC) and each `file_bytes`."""

    interval = 0.0

    def __init__(self, folder: Path, chain: str, *, file_bytes: int = FILE_BYTES) -> None:
        self._folder = folder
        self._chain = chain
        self._file_bytes = file_bytes
        self._file: _Open | None = None
        self._worker = Worker()

    def write(self, first: int, lines: bytes) -> asyncio.Future[None]:
        """See Sink. A failed write is repeated at the same place, over what it left there."""
        return self._worker.run(lambda: self._write(first, lines))

    def _write(self, first: int, lines: bytes) -> None:
        file = self._current(first)
        written = 0
        while written < len(lines):
            written += os.pwrite(file.descriptor, memoryview(lines)[written:], file.size + written)
        os.fdatasync(file.descriptor)
        if file.size == 0:
            _sync_folder(self._folder)
        file.size += len(lines)

    def _current(self, first: int) -> _Open:
        today = datetime.now(UTC).date().isoformat()
        file = self._file
        if file is not None and (file.size == 0 or (file.day == today and file.size < self._file_bytes)):
            return file
        path = self._folder / f"{self._chain}.{first:012d}{SUFFIX}"
        # O_EXCL: a file that is there is another writer's.
        opened = _Open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640), today)
        if file is not None:
            os.close(file.descriptor)
        self._file = opened
        return opened

    async def survey(self) -> Sequence[Witnessed]:
        """See Sink. Bytes after a crashed process's last whole record are told as `torn`."""
        return await self._worker.run(lambda: survey_folder(self._folder, self._chain))

    async def publish(self, head: SignedHead) -> None:
        """Nothing: who can shorten the files could change a head beside them too."""

    async def close(self) -> None:
        """See Sink."""
        with suppress(SinkError):
            await self._worker.run(self._close)
        self._worker.close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file.descriptor)
            self._file = None


def _sync_folder(folder: Path) -> None:
    """Make a new file's name last, as its content does."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def survey_folder(folder: Path, own: str) -> list[Witnessed]:
    """How far the chains in a folder go, without `own` and without those untouched for a week. Raises OSError."""
    chains: dict[str, list[Path]] = {}
    for path in sorted(folder.glob(f"*{SUFFIX}"), reverse=True):
        chains.setdefault(path.name.removesuffix(SUFFIX).rpartition(".")[0], []).append(path)
    chains.pop(own, None)
    since = time.time() - SURVEY_SECONDS
    return [_survey_chain(chain, files) for chain, files in chains.items() if files[0].stat().st_mtime > since]


def _survey_chain(chain: str, newest_first: list[Path]) -> Witnessed:
    torn = None
    for path in newest_first:
        line, left = read_end(path)
        torn = torn or (Torn(bytes=len(left), sha256=sha256(left).hexdigest()) if left else None)
        if line is not None and (record := read_record(line)) is not None:
            return Witnessed(chain=chain, sequence=record.sequence, hash=hash_line(line), torn=torn)
    return Witnessed(chain=chain, sequence=-1, hash=GENESIS, torn=torn)


def read_end(path: Path) -> tuple[bytes | None, bytes]:
    """A file's last whole record, as its line (None: there is none), and the bytes after it. Raises OSError.

    Reads the last bytes, and the whole file only where these do not end with a record.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        lines = file.read().split(b"\n")
        if lines[-1] == b"" and len(lines) > 1 and read_record(lines[-2]) is not None:
            return lines[-2], b""
        file.seek(0)
        content = file.read()
    last, start = None, 0
    while (end := content.find(b"\n", start)) >= 0 and read_record(content[start:end]) is not None:
        last, start = content[start:end], end + 1
    return last, content[start:]
