"""What a conversation's placeholders stand for. It holds personal data: keep it as long as the conversation."""

import json
import re
from collections.abc import Iterator

from banktuner_gateway.privacy.spans import LONGEST, Span

PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]{0,31}_[0-9]{1,9}>")
LONGEST_PLACEHOLDER = 44
# shorter numbers say too little to be sought wherever they stand
SHORTEST_KNOWN = 4
NAME = "PERSON"
"""Kind of people's names."""
WORD = re.compile(r"[^\W_]+")
SPELLED_AT = re.compile(r"\s*[\[({<]\s?at?\s?[\])}>]\s*|\s+at\s+", re.IGNORECASE)
SPELLED_DOT = re.compile(r"\s*[\[({<]\s?dot\s?[\])}>]\s*|\s+dot\s+", re.IGNORECASE)


class Vault:
    """One conversation's. Not for two threads at once."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._placeholders: dict[str, str] = {}
        self._counts: dict[str, int] = {}

    def placeholder(self, kind: str, plain: str, written: str) -> str:
        """What stands for the value: `plain` is its normalised spelling, `written` the customer's own."""
        key = f"{kind} {canonical(kind, plain)}"
        known = self._placeholders.get(key) or self._digits().get(canonical(kind, plain))
        if known is not None:
            return known
        self._counts[kind] = self._counts.get(kind, 0) + 1
        made = f"<{kind}_{self._counts[kind]}>"
        self._placeholders[key] = made
        self._values[made] = written
        return made

    def _digits(self) -> dict[str, str]:
        """Placeholders of the values that are numbers; one that is masked as another kind later keeps its own."""
        numbers = ((key.partition(" ")[2], made) for key, made in self._placeholders.items())
        return {number: made for number, made in numbers if number.isdigit() and len(number) >= SHORTEST_KNOWN}

    def value(self, placeholder: str) -> str:
        """What the customer wrote; the placeholder itself if it is not this conversation's."""
        return self._values.get(placeholder, placeholder)

    def known(self, text: str) -> Iterator[Span]:
        """Numbers of the vault wherever they stand in normalised text, named or not."""
        if not any(map(str.isdigit, text)):
            return
        for number, made in self._digits().items():
            for match in re.finditer(rf"(?<![0-9]){r'[ .-]{0,3}'.join(number)}(?![0-9])", text):
                yield Span(made[1:].rpartition("_")[0], match.start(), match.end(), 0.2)

    def known_names(self, text: str) -> Iterator[Span]:
        """The vault's names of several words wherever they stand in normalised text; a single one may be any word."""
        for key in [key for key, made in self._placeholders.items() if made.startswith(f"<{NAME}_")]:
            words = WORD.findall(self._values[self._placeholders[key]])
            if len(words) > 1:
                pattern = r"[ .'-]{1,3}".join(map(re.escape, words))
                for match in re.finditer(rf"(?<![^\W_]){pattern}(?![^\W_])", text, re.IGNORECASE):
                    yield Span(NAME, match.start(), match.end(), 0.2)

    def to_json(self) -> str:
        """For the conversation's store."""
        return json.dumps({"values": self._values, "placeholders": self._placeholders}, ensure_ascii=False)

    @classmethod
    def from_json(cls, document: str) -> "Vault":
        """Raises ValueError where the document is none of `to_json`."""
        try:
            content = json.loads(document)
            values, placeholders = dict(content["values"]), dict(content["placeholders"])
            numbered = [made[1:-1].rpartition("_") for made in values]
            counts = {kind: max(int(n) for other, _, n in numbered if other == kind) for kind, _, _ in numbered}
        except (KeyError, TypeError, ValueError):
            raise ValueError("The conversation's vault cannot be read; delete the conversation.") from None
        vault = cls()
        vault._values, vault._placeholders, vault._counts = values, placeholders, counts
        return vault


def canonical(kind: str, plain: str) -> str:
    """The same for every spelling of a value."""
    if kind == "EMAIL":
        spelled = SPELLED_DOT.sub(".", SPELLED_AT.sub("@", plain))
        return re.sub(r"@+", "@", re.sub(r"\s", "", spelled)).replace(",", ".").lower()
    # between a card's groups may stand tags
    short = "".join(filter(str.isdigit if kind == "CARD" else str.isalnum, plain)).upper()
    return short or plain[:LONGEST]
