"""A row of the benchmark's table, its comparison with the bar, and the JSON file that keeps the table."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FIELDS = ("name", "value", "unit", "bar", "peer", "runs")


@dataclass(frozen=True)
class Row:
    """One number. Shares are fractions of 1.

    `bar`: what `value` has to reach (None: nothing is promised); a bar is a floor, unless `lower_is_better`.
    `peer`: what others reach, in words. `runs`: the raw figures that `value` sums up, in the same unit.
    """

    name: str
    value: float
    unit: str
    bar: float | None
    peer: str
    runs: Sequence[float]
    lower_is_better: bool = False

    @property
    def passes(self) -> bool:
        """Whether the bar is reached; without a bar, always. A value that is no number never reaches one."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.lower_is_better else self.value >= self.bar

    def to_json(self) -> dict[str, Any]:
        """The row as the file has it."""
        return {name: getattr(self, name) for name in FIELDS} | {"runs": list(self.runs)}


@dataclass(frozen=True)
class Settings:
    """What a measurement may use.

    `device`: "cpu" or "cuda". `data`: folder with banking77/ and clinc150/. `scratch`: room that is kept between runs.
    """

    device: str
    data: Path
    scratch: Path


@dataclass(frozen=True)
class Measurement:
    """A piece of work that yields the rows called `names`; `devices` are those that it makes sense on."""

    names: tuple[str, ...]
    run: Callable[[Settings], list[Row]]
    devices: tuple[str, ...] = ("cpu", "cuda")


def table(rows: Iterable[Row]) -> str:
    """The rows for a reader: a line each with value, bar and verdict, and the raw figures below it."""
    lines: list[str] = []
    for row in rows:
        sign = "<=" if row.lower_is_better else ">="
        bar = "no bar" if row.bar is None else f"bar {sign} {row.bar:g}  {'pass' if row.passes else 'FAIL'}"
        lines.append(f"{row.name:28} {row.value:>10.5g} {row.unit:12} {bar}")
        lines.append(f"{'':28} peer: {row.peer}")
        lines.append(f"{'':28} runs: {', '.join(f'{run:.5g}' for run in row.runs)}")
    return "\n".join(lines)


def write(path: Path, rows: Sequence[Row]) -> None:
    """Put `rows` into the JSON list at `path`, in the place of rows of the same names that are there already."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    fresh = {row.name: row.to_json() for row in rows}
    merged = [fresh.pop(old["name"], old) for old in kept] + list(fresh.values())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(merged, indent=2) + "\n", encoding="utf-8")
