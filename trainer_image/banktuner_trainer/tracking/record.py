"""<work>/tracking/metrics.jsonl: what the trainer measures, one JSON object a line; trackers and reports read it."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from banktuner_api.common import Metric

logger = logging.getLogger(__name__)

METRICS_FILE = "metrics.jsonl"
LOSS = "loss"


@dataclass(frozen=True)
class Point:
    """Numbers at one optimiser step; `time` in seconds since the epoch. `result`: those of the finished run."""

    step: int
    time: float
    values: dict[str, float]
    result: bool = False


@dataclass(frozen=True)
class CurvePoint:
    """The training loss, a mean since the point before, with its learning rate and tokens a second without padding."""

    step: int
    loss: float
    learning_rate: float | None
    tokens_per_second: float | None


class Recorder:
    """Appends points. A disk that is full costs the points, not the run."""

    def __init__(self, folder: Path) -> None:
        """`folder` is <work>/tracking; made when the first point comes."""
        self._path = folder / METRICS_FILE
        self._failing = False

    def add(self, step: int, values: Mapping[str, float], at: float | None = None) -> None:
        """One point; `at` is now unless it was measured earlier."""
        self._append(Point(step, time.time() if at is None else at, dict(values)))

    def result(self, metrics: Sequence[Metric]) -> None:
        """The finished run's numbers, those of the untuned model as `baseline/<name>`."""
        values = {one.name: float(one.value) for one in metrics}
        values |= {f"baseline/{one.name}": float(one.baseline) for one in metrics if one.baseline is not None}
        last = max((point.step for point in read_points(self._path.parent)), default=0)
        self._append(Point(last, time.time(), values, result=True))

    def _append(self, point: Point) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(point)) + "\n")
        except OSError as error:
            if not self._failing:
                logger.warning("tracking: %s: %s", self._path, error.strerror)
            self._failing = True


class Follower:
    """Reads complete lines as they are written."""

    def __init__(self, path: Path) -> None:
        """The file may not be there yet."""
        self._path = path
        self._offset = 0
        self._next = 0

    def unread(self) -> list[Point]:
        """Points after those that were marked as delivered. Raises OSError where the file cannot be read."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        complete = content[: content.rfind(b"\n") + 1]
        self._next = self._offset + len(complete)
        return [point for line in complete.splitlines() if (point := _point(line)) is not None]

    def delivered(self) -> None:
        """What `unread` gave last is done."""
        self._offset = self._next


def read_points(folder: Path) -> list[Point]:
    """All points of <work>/tracking, one a step: of what a stopped run measured twice, the newer. None without a file.

    The result comes last.
    """
    merged: dict[tuple[bool, int], Point] = {}
    for point in Follower(folder / METRICS_FILE).unread():
        known = merged.get((point.result, point.step))
        values = (known.values if known else {}) | point.values
        merged[point.result, point.step] = replace(point, values=values)
    return [merged[place] for place in sorted(merged)]


def loss_curve(folder: Path) -> list[CurvePoint]:
    """The loss of the run so far, for result.json; `folder` is <work>/tracking."""
    return [
        CurvePoint(
            step=point.step,
            loss=point.values[LOSS],
            learning_rate=point.values.get("learning_rate"),
            tokens_per_second=point.values.get("tokens_per_second"),
        )
        for point in read_points(folder)
        if not point.result and LOSS in point.values
    ]


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as parameters: `training.batchSize` -> "8". Lists are joined with commas."""
    flat: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            flat[prefix + name] = ",".join(str(part) for part in value)
        else:
            flat[prefix + name] = str(value)
    return flat


def _point(line: bytes) -> Point | None:
    try:
        return Point(**json.loads(line))
    except (ValueError, TypeError):
        logger.warning("tracking: a line of %s is not readable and is left out", METRICS_FILE)
        return None
