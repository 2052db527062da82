"""What finished FineTuneJobs were measured at, as Prometheus gauges; kept from the watch, in memory only."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from banktuner_api.common import Json

METRIC = "banktuner_finetunejob_metric"
BASELINE = "banktuner_finetunejob_metric_baseline"
PASSED = "banktuner_finetunejob_evaluation_passed"
HELP = {
    METRIC: "An evaluated number of a finished FineTuneJob, in its own unit.",
    BASELINE: "The untuned model's value of the same metric.",
    PASSED: "1 where a finished FineTuneJob keeps its thresholds, else 0.",
}
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True)
class _Sample:
    """One line: a gauge, its labels, its value as text."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: str


class JobMetrics:
    """The evaluations of all jobs that are there."""

    def __init__(self) -> None:
        """Empty until the watch has listed the jobs."""
        self._samples: dict[tuple[str, str], list[_Sample]] = {}

    def seen(self, event_type: str | None, body: Json) -> None:
        """An event of a FineTuneJob."""
        job = (body["metadata"]["namespace"], body["metadata"]["name"])
        evaluation = body.get("status", {}).get("evaluation")
        if event_type == "DELETED" or not evaluation:
            self._samples.pop(job, None)
        else:
            self._samples[job] = list(_samples(*job, evaluation))

    def lines(self) -> list[str]:
        """The text format of Prometheus, version 0.0.4: each gauge's lines together."""
        samples = [sample for found in self._samples.values() for sample in found]
        return [line for name in HELP for line in _family(name, (one for one in samples if one.name == name))]


def _samples(namespace: str, name: str, evaluation: Json) -> Iterator[_Sample]:
    job = (("namespace", namespace), ("name", name))
    yield _Sample(PASSED, job, str(int(evaluation["passed"])))
    for metric in evaluation.get("metrics", []):
        labels = (*job, ("metric", metric["name"]))
        yield _Sample(METRIC, labels, _number(metric["value"]))
        if "baseline" in metric:
            yield _Sample(BASELINE, labels, _number(metric["baseline"]))


def _number(text: str) -> str:
    """A value as Prometheus reads it; what is no number becomes NaN."""
    try:
        return repr(float(text))
    except ValueError:
        return "NaN"


def _family(name: str, samples: Iterable[_Sample]) -> Iterator[str]:
    lines = [f"{name}{{{_labels(sample)}}} {sample.value}" for sample in samples]
    if lines:
        yield f"# HELP {name} {HELP[name]}"
        yield f"# TYPE {name} gauge"
        yield from sorted(lines)


def _labels(sample: _Sample) -> str:
    return ",".join(f'{label}="{value.translate(_ESCAPES)}"' for label, value in sample.labels)
