"""Judges whether a text attacks the assistant: every view of it, decoded parts included, against every rule."""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from banktuner_gateway.injection.control import forged
from banktuner_gateway.injection.decoding import decoded_parts, joined_quotes
from banktuner_gateway.injection.rules import LEXICON, matching
from banktuner_gateway.injection.text import folded, hidden_tags, skeleton, visible, words

DEPTH = 3
"""Decodings within decodings that are followed."""
DECODED_SHARE = 2
"""Decoded parts may be so many times as long as the text; more is refused."""
TURNS = 6
LONG_WORD = 12
_SPACED = re.compile(r"(?<![^\W_])(?:[^\W_][\s.\-_*]{1,3}){4,}[^\W_](?![^\W_])")
_SEPARATORS = re.compile(r"[\s.\-_*]")
_INSIDE_WORDS = re.compile(r"(?<=[^\W_])[()\[\]{}*~|'\"`-]{1,3}(?=[^\W_])")
_LEET = re.compile(r"[a-z][0134578@$!|+]|[0134578@$!|+][a-z]")
_LEET_I, _LEET_L = (str.maketrans("01345780@$!|+", f"o{one}eastbo" + "as" + "iit") for one in "il")


@dataclass(frozen=True)
class Verdict:
    """`rules`: stable ids, `explanation`: why, in words and without any of the text. Both empty unless blocked."""

    blocked: bool
    rules: tuple[str, ...]
    explanation: str

    def to_json(self) -> dict[str, Any]:
        """For the audit record."""
        return {"guard": "injection", **asdict(self), "rules": list(self.rules)}


def inspect(text: str) -> Verdict:
    """The verdict on one text: a question, or a retrieved passage. Pure; time and memory linear in the text.

    About 0.1 ms for a question and 1 ms for 1,000 characters; longer texts belong in a thread.
    """
    found: dict[str, str] = {}
    level, spent = text, 0
    for depth in range(DEPTH + 1):
        seen = visible(level)
        for rule, why in (*forged(seen), *_by_words(seen)):
            found.setdefault(rule, why if depth == 0 else f"{why} (encoded)")
        level = "\n".join(dict.fromkeys((*decoded_parts(seen), *filter(None, [hidden_tags(level)]))))
        spent += len(level)
        if spent > DECODED_SHARE * len(text):
            found.setdefault("INJ-041", "carries too much encoded text to be read")
            break
        if not level:
            break
    return Verdict(bool(found), tuple(found), "; ".join(found.values()))


def inspect_turns(asked: Sequence[str], sent: Sequence[str] = ()) -> Verdict:
    """The verdict on a question and the turns before it: the first attack that is found.

    `asked`: the caller's own turns, oldest first, the question last. `sent`: all turns that came with the question, in
    their order, those of the assistant too, the question last; none where the turns before it were read when they
    came. Each new turn is read alone, and all are read together, as an attack may be spread over TURNS of them.
    About five times the work of `inspect` on all of it, and no more than that for a first question.
    """
    alone = reversed(sent or asked[-1:])
    verdict = Verdict(False, (), "")
    for text in dict.fromkeys((*alone, *_together(asked), *_together(sent))):
        verdict = inspect(text)
        if verdict.blocked:
            break
    return verdict


def _together(turns: Sequence[str]) -> Iterator[str]:
    """Turns as texts that overlap, so that any TURNS in a row are within one; none where there are no turns."""
    for start in range(0, max(len(turns) - TURNS, min(len(turns), 1)), TURNS):
        yield "\n".join(turns[start : start + 2 * TURNS])


def _by_words(seen: str) -> Iterator[tuple[str, str]]:
    for view in dict.fromkeys(_views(seen)):
        for rule in matching(LEXICON.places(_known(view))):
            yield rule.id, rule.explanation


def _views(seen: str) -> Iterator[str]:
    """Readings of a text, folded: as it stands, and as someone who hides something would want it read."""
    plain = folded(seen)
    yield plain
    latin = skeleton(plain)
    yield latin
    if _LEET.search(latin):
        yield latin.translate(_LEET_I)
        yield latin.translate(_LEET_L)
    yield _SPACED.sub(lambda run: _SEPARATORS.sub("", run.group()), latin)
    yield _INSIDE_WORDS.sub("", folded(joined_quotes(seen)))
    yield skeleton(folded(seen[::-1]))
    yield codecs.encode(latin, "rot13")


def _known(view: str) -> list[str]:
    """Words, the over-long parted into those that are known."""
    parted: list[str] = []
    for word in words(view):
        parted += LEXICON.split(word) if len(word) >= LONG_WORD else [word]
    return parted
