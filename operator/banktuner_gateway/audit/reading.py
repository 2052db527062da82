"""Reads lines of records out of files: those of a volume or an object store, and containers' logs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from banktuner_gateway.audit.record import MARKER, read_record


@dataclass(frozen=True)
class Line:
    """A line that holds a record, or should. `offset`: of its first byte in the file; `whole`: it has a line end."""

    path: Path
    number: int
    offset: int
    content: bytes
    whole: bool

    @property
    def place(self) -> str:
        """For messages."""
        return f"{self.path}:{self.number}"


def read_lines(path: Path, log: bool) -> Iterator[Line]:
    """The lines of a file; of a log, only what follows the marker. Raises OSError."""
    offset = 0
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            content = raw.removesuffix(b"\n")
            start = content.find(MARKER) if log else 0
            if start >= 0:
                yield Line(path, number, offset + start, content[start:], raw.endswith(b"\n"))
            offset += len(raw)


def order_files(paths: Iterable[Path], log: bool) -> list[Path]:
    """Files of records by chain and first sequence number; logs as they are given. Raises OSError."""
    unique = list(dict.fromkeys(path.resolve() for path in paths))
    return unique if log else sorted(unique, key=_first_record)


def _first_record(path: Path) -> tuple[str, int, str]:
    first = next(read_lines(path, False), None)
    record = read_record(first.content) if first else None
    return (record.chain, record.sequence, str(path)) if record else ("", -1, str(path))
