"""The rules: which concepts, how near to each other, are an attack. Their ids are stable: audit records name them."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from banktuner_gateway.injection.concepts import CONCEPTS
from banktuner_gateway.injection.text import folded, visible, words

Places = dict[str, list[int]]
"""Concept -> numbers of the words that it begins at, ascending."""
_Entry = tuple[tuple[str, ...], str]
"""What has to follow an entry's first word, and its concept."""


@dataclass(frozen=True)
class Rule:
    """An attack where within `window` words of the first of `needs` all others are.

    Each of `needs` names concepts of which one is enough ("a|b"). No attack where a concept of `unless` is within two
    words of the first.
    """

    id: str
    explanation: str
    needs: tuple[str, ...]
    window: int
    unless: tuple[str, ...] = ()

    @cached_property
    def groups(self) -> tuple[tuple[str, ...], ...]:
        """`needs`, each as its concepts."""
        return tuple(tuple(one.split("|")) for one in self.needs)


RULES = (
    Rule("INJ-001", "asks to ignore the instructions", ("orders", "ignore", "prior|your"), 6, ("bank", "about")),
    Rule("INJ-002", "asks to lift the assistant's rules", ("orders", "remove", "your"), 5, ("bank", "about")),
    Rule("INJ-003", "asks to ignore the assistant's limits", ("limits", "ignore|remove", "your"), 3, ("bank", "about")),
    Rule("INJ-004", "gives new instructions", ("neworders", "you"), 6, ("bank", "about")),
    Rule("INJ-010", "asks for the system prompt", ("prompt",), 0),
    Rule("INJ-011", "asks for the instructions", ("instructions", "your", "reveal"), 6, ("bank", "about")),
    Rule("INJ-012", "asks for hidden instructions", ("instructions", "hidden"), 2, ("bank", "about")),
    Rule("INJ-013", "asks what the assistant was told", ("told", "reveal|ignore"), 8, ("bank",)),
    Rule("INJ-014", "asks for the text before the question", ("above", "reveal"), 4, ("bank",)),
    Rule("INJ-020", "gives the assistant a role without rules", ("unbound", "persona|ai"), 12, ("about",)),
    Rule("INJ-021", "makes the assistant a machine", ("machine", "persona"), 6),
    Rule("INJ-022", "claims an earlier consent", ("agreed", "orders|limits|unbound"), 14, ("bank",)),
    Rule("INJ-023", "asks to answer without rules", ("unbound", "ignore|neworders"), 8, ("bank", "about")),
    Rule("INJ-030", "claims authority over the assistant", ("claim", "power|ignore|remove"), 10),
    Rule("INJ-040", "asks to decode and obey", ("transform", "obey"), 8),
    Rule("INJ-050", "speaks to a model that reads a document", ("reader", "demand"), 8),
    Rule("INJ-051", "dictates the answer from inside a document", ("fixed", "injected|ai|ignore"), 10),
)


class Lexicon:
    """Finds concepts in words."""

    def __init__(self, concepts: Mapping[str, str]) -> None:
        """See concepts.py for how entries are written."""
        self._whole: dict[str, list[_Entry]] = defaultdict(list)
        self._begun: dict[str, list[_Entry]] = defaultdict(list)
        for concept, entries in concepts.items():
            for entry in entries.split():
                first, *rest = _parts(entry)
                starts = self._begun if first.endswith("*") else self._whole
                starts[first.rstrip("*")].append((tuple(rest), concept))
        lengths: dict[str, set[int]] = defaultdict(set)
        for start in self._begun:
            lengths[start[0]].add(len(start))
        self._lengths = {letter: tuple(sorted(found)) for letter, found in lengths.items()}
        self.vocabulary = frozenset(_parts_of(concepts))
        self.longest = max(map(len, self.vocabulary))

    def places(self, text: Sequence[str]) -> Places:
        """Where each concept is; time linear in the words."""
        found: Places = defaultdict(list)
        for place, word in enumerate(text):
            for rest, concept in self._starting(word):
                if not rest or _follow(text, place + 1, rest):
                    found[concept].append(place)
        return found

    def split(self, run: str) -> Iterator[str]:
        """Known words in letters that are written together, the longest first; letters of no word are left out."""
        place = 0
        while place < len(run):
            for length in range(min(self.longest, len(run) - place), 2, -1):
                if run[place : place + length] in self.vocabulary:
                    yield run[place : place + length]
                    place += length
                    break
            else:
                place += 1

    def _starting(self, word: str) -> Sequence[_Entry]:
        """The entries whose first word it is."""
        found: Sequence[_Entry] = self._whole.get(word, ())
        for length in self._lengths.get(word[0], ()):
            if length > len(word):
                break
            if more := self._begun.get(word[:length]):
                found = [*found, *more]
        return found


def matching(places: Places) -> Iterator[Rule]:
    """The rules that hold, in the table's order."""
    return (rule for rule in RULES if _holds(rule, places))


def _holds(rule: Rule, places: Places) -> bool:
    # a loop: this is asked of every rule in every reading of every question
    for group in rule.groups:
        if places.keys().isdisjoint(group):
            return False
    first, *others = ([place for name in group for place in places.get(name, ())] for group in rule.groups)
    excuses = sorted(place for name in rule.unless for place in places.get(name, ()))
    rest = [sorted(one) for one in others]
    return any(all(_near(one, place, rule.window) for one in rest) and not _near(excuses, place, 2) for place in first)


def _near(places: Sequence[int], place: int, window: int) -> bool:
    at = bisect_left(places, place - window)
    return at < len(places) and places[at] <= place + window


def _follow(text: Sequence[str], place: int, parts: Sequence[str]) -> bool:
    # a loop, as in _holds
    for at, part in enumerate(parts, place):
        if at >= len(text) or not (text[at].startswith(part[:-1]) if part.endswith("*") else text[at] == part):
            return False
    return True


def _parts(entry: str) -> list[str]:
    """Words of an entry, folded as texts are; a `*` stays where it stood."""
    parts: list[str] = []
    for piece in filter(None, entry.split("_")):
        parts += words(folded(visible(piece)))
        if piece.endswith("*") and parts:
            parts[-1] += "*"
    return parts


def _parts_of(concepts: Mapping[str, str]) -> Iterator[str]:
    for entries in concepts.values():
        for entry in entries.split():
            yield from (part.rstrip("*") for part in _parts(entry) if len(part.rstrip("*")) > 2)


LEXICON = Lexicon(CONCEPTS)
