"""Which files may be deleted when the time for which records are kept is over. It deletes nothing itself."""

from collections.abc import Iterable
from pathlib import Path

from banktuner_gateway.audit.reading import read_lines
from banktuner_gateway.audit.record import read_record


def expired_files(paths: Iterable[Path], before: str) -> list[Path]:
    """The files of those chains whose every record is older than `before` (YYYY-MM-DD, UTC). Raises OSError.

    A chain is kept or deleted as a whole, so that what remains can be verified. A file that cannot be read to its end
    as records is kept, with all of its chain: somebody has to look at it first.
    """
    chains: dict[str, list[Path]] = {}
    kept: set[str] = set()
    for path in paths:
        chain, newest, readable = _survey(path)
        chains.setdefault(chain, []).append(path)
        if not readable or newest[:10] >= before:
            kept.add(chain)
    return sorted(path for chain, files in chains.items() if chain not in kept for path in files)


def _survey(path: Path) -> tuple[str, str, bool]:
    chain = newest = ""
    for line in read_lines(path, False):
        record = read_record(line.content)
        if record is None:
            return chain, newest, False
        chain, newest = record.chain, max(newest, record.time)
    return chain, newest, bool(chain)
