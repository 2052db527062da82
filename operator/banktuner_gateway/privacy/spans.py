"""What recognisers find, and how far around it they may look: a stream holds back no more than that."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

# characters of normalised text
BEFORE = 64
"""A recogniser reads no further back from where a span begins."""
AFTER = 48
"""A recogniser reads no further on from where a span ends."""
LONGEST = 160
"""No recogniser's span is longer (those that overlap are joined)."""

GROUP = re.compile(r"[0-9]+")


@dataclass(frozen=True)
class Span:
    """`text[start:end]` is personal data of the kind; `score` (0 to 1) decides between kinds that overlap."""

    kind: str
    start: int
    end: int
    score: float


def digit_groups(text: str) -> list[tuple[int, int]]:
    """Start and end of every stretch of ASCII digits."""
    return [match.span() for match in GROUP.finditer(text)]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans that overlap as one, in the text's order.

    Its kind is that of the best score, then of the longest, among those that begin in its first `LONGEST` characters:
    a stream has to name the kind before it knows where a long list of numbers ends.
    """
    result: list[Span] = []
    best: Span | None = None
    for span in sorted(spans, key=lambda span: (span.start, -span.end, span.kind)):
        if best is None or span.start >= result[-1].end:
            best = span
            result.append(span)
            continue
        if span.start < result[-1].start + LONGEST:
            best = max(best, span, key=lambda one: (one.score, one.end - one.start))
        result[-1] = Span(best.kind, result[-1].start, max(result[-1].end, span.end), best.score)
    return result
