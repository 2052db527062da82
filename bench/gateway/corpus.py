"""The frozen attacks and honest questions, and the fixed rule that halves them."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "tests" / "gateway" / "injection"
HALVES = ("rules", "held-out")
"""The rules were written looking at the first half alone; the other tells what they are worth."""


@dataclass(frozen=True)
class Example:
    """One attack or one honest question; `turns`: what the caller wrote, the last turn last."""

    id: str
    kind: str
    turns: tuple[str, ...]

    @property
    def half(self) -> str:
        """By the id's SHA-256."""
        return HALVES[int(hashlib.sha256(self.id.encode()).hexdigest(), 16) % 2]


def attacks() -> list[Example]:
    """All attacks."""
    return list(_read(FOLDER / "attacks.jsonl"))


def benign() -> list[Example]:
    """All honest questions, most of them with words that attacks have too."""
    return list(_read(FOLDER / "benign.jsonl"))


def _read(path: Path) -> Iterator[Example]:
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield Example(row["id"], row["kind"], tuple(row["turns"]))
