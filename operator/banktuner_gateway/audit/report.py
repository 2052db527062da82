"""Counts decisions for people: a table with one line a day and outcome. Counts only; it verifies nothing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import ValidationError

from banktuner_gateway.audit.reading import order_files, read_lines
from banktuner_gateway.audit.record import Decision, Record, read_record

_HEAD = ("day (UTC)", "outcome", "why", "requests")


def count_decisions(paths: Sequence[Path], log: bool) -> Counter[tuple[str, str, str]]:
    """Requests by day, outcome, and what refused or failed them. Raises OSError."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for path in order_files(paths, log):
        for line in read_lines(path, log):
            record = read_record(line.content)
            if record is not None:
                _count(record, counts)
    return counts


def _count(record: Record, counts: Counter[tuple[str, str, str]]) -> None:
    if record.event not in ("decision", "stream_ended"):
        return
    try:
        decision = Decision.model_validate({"event": record.event, **record.data})
    except ValidationError:
        counts[(record.time[:10], "unreadable", "")] += 1
        return
    counts[(record.time[:10], decision.outcome, _why(decision))] += decision.repeated


def _why(decision: Decision) -> str:
    refusing = [verdict for verdict in decision.verdicts if verdict.outcome in ("refuse", "unavailable")]
    if refusing:
        return f"{refusing[0].guard} ({refusing[0].stage}): {refusing[0].reason or refusing[0].outcome}"
    return decision.error_code or ""


def table(counts: Counter[tuple[str, str, str]]) -> str:
    """The counts in columns, by day."""
    rows = [_HEAD, *((*key, str(count)) for key, count in sorted(counts.items()))]
    return "\n".join(_columns(rows))


def _columns(rows: Iterable[Sequence[str]]) -> Iterable[str]:
    rows = list(rows)
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)) + "  " + row[-1]
