"""report/ of an artifact: result.json with every number, and the pictures."""

import json
import logging
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from banktuner_api.common import Json, Metric
from banktuner_api.metrics import METRICS, PROMOTED
from banktuner_api.run_config import RunConfig
from banktuner_trainer import VERSION
from banktuner_trainer.evaluate.intent import Confusion
from banktuner_trainer.evaluate.pictures import PAIRS, confusion_picture, loss_picture
from banktuner_trainer.tracking.record import CurvePoint

logger = logging.getLogger(__name__)

RESULT = "result.json"
LOSS_PICTURE, CONFUSION_PICTURE = "loss.png", "confusion.png"
LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "bitsandbytes", "tokenizers", "datasets")


@dataclass(frozen=True)
class Report:
    """What a run leaves to be read. `details`: what the task tells beside its metrics; `device`: by name.

    A `confusion` without a label, of a test set without a row that has one, is no picture.
    """

    metrics: Sequence[Metric]
    curve: Sequence[CurvePoint]
    confusion: Confusion | None
    details: Mapping[str, Any]
    device: str
    threads: int


def write(report: Report, run: RunConfig, folder: Path) -> None:
    """Write the files. A picture that cannot be drawn is logged, and costs that picture only. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(_result(report, run), indent=2, ensure_ascii=False) + "\n"
    (folder / RESULT).write_text(content, encoding="utf-8")
    if report.curve:
        _drawn(loss_picture, [(point.step, point.loss) for point in report.curve], folder / LOSS_PICTURE)
    if report.confusion is not None and report.confusion.labels:
        _drawn(confusion_picture, report.confusion, folder / CONFUSION_PICTURE)


def _drawn(draw: Callable[[Any, Path], None], what: Any, path: Path) -> None:
    """The model is trained by now, and it is worth more than a picture of it."""
    try:
        draw(what, path)
    except Exception as error:
        logger.warning("%s is not in the report: %s", path.name, type(error).__name__)
        path.unlink(missing_ok=True)


def _result(report: Report, run: RunConfig) -> Json:
    result: Json = {
        "schemaVersion": 1,
        "job": run.job.to_json(),
        "task": run.task,
        "method": run.method,
        "currency": run.prices.currency,
        "metrics": [_metric(one) for one in report.metrics],
        "lossCurve": [{"step": point.step, "loss": point.loss} for point in report.curve],
        "environment": _environment(report),
    }
    if report.confusion is not None:
        pairs = report.confusion.most_confused(PAIRS)
        result["confusion"] = asdict(report.confusion) | {
            "mostConfused": [{"truth": truth, "answer": answer, "rows": rows} for truth, answer, rows in pairs]
        }
    return result | dict(report.details)


def _metric(one: Metric) -> Json:
    units = {known.name: known.unit for known in METRICS}
    unit = units.get(one.name.removesuffix(PROMOTED))
    told = {"name": one.name, "value": float(one.value)}
    if one.baseline is not None:
        told["baseline"] = float(one.baseline)
    return told | ({"unit": unit} if unit else {})


def _environment(report: Report) -> Json:
    return {
        "trainer": VERSION,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": report.device,
        "threads": report.threads,
        "libraries": {name: found for name in LIBRARIES if (found := _version(name)) is not None},
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None
