"""A bank's own kinds of personal data, by regular expressions of RE2: it needs linear time whatever the text."""

from collections.abc import Callable, Iterator

import re2

from banktuner_api.gateway import Entity
from banktuner_gateway.privacy.spans import LONGEST, Span

MEMORY = 1 << 20
SCORE = 0.5


def _compiled(entity: Entity) -> "re2._Regexp[str]":
    options = re2.Options()
    options.max_mem = MEMORY
    options.log_errors = False
    try:
        pattern = re2.compile(entity.pattern, options=options)
    except re2.error as error:
        raise ValueError(
            f"entities: the pattern of {entity.name} is none of RE2, which has no look-around and no back-references: "
            f"{_reason(error)}"
        ) from None
    if pattern.search("") is not None:
        raise ValueError(f"entities: the pattern of {entity.name} matches the empty text; it has to name a character")
    return pattern


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else "unknown"
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def finder(entity: Entity) -> Callable[[str], Iterator[Span]]:
    """Finds the entity's matches of up to `LONGEST` characters, wherever they begin.

    Raises ValueError where RE2 does not take the pattern, or where it matches nothing at all.
    """
    pattern = _compiled(entity)

    def find(text: str) -> Iterator[Span]:
        for stretch in pattern.finditer(text):
            # whether a place begins a match must not depend on where an earlier match ended: streams begin anywhere
            for start in range(stretch.start(), stretch.end()):
                before = min(start, 1)
                match = pattern.match(text[start - before : start + LONGEST], before)
                if match is not None and match.end() > before:
                    yield Span(entity.name, start, start - before + match.end(), SCORE)

    find.__name__ = entity.name
    return find
