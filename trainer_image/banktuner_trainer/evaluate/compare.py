"""One list of metrics: the tuned model beside the base and the promoted one, costs, the important ones first."""

from collections.abc import Mapping, Sequence

from banktuner_api.common import Metric
from banktuner_api.metrics import PROMOTED, ordered
from banktuner_api.run_config import RunConfig
from banktuner_trainer.data.presets import PRESETS
from banktuner_trainer.evaluate.cost import node_hour, training_cost
from banktuner_trainer.reporting import metric

MOST_METRICS = 64
"""As many as status and the manifest hold; result.json has them all."""
Values = Mapping[str, float]


def compared(tuned: Values, base: Values | None, promoted: Values | None) -> list[Metric]:
    """The tuned model's numbers with the base model's as baseline; after them the promoted model's."""
    known = base or {}
    metrics = [metric(name, value, known.get(name)) for name, value in tuned.items()]
    return metrics + [metric(name + PROMOTED, value) for name, value in (promoted or {}).items()]


def costs(run: RunConfig, metrics: Sequence[Metric]) -> list[Metric]:
    """training_cost, where the run has prices: of the loop's seconds on all pods."""
    seconds = next((float(one.value) for one in metrics if one.name == "train_runtime_seconds"), None)
    if seconds is None or not node_hour(run.prices, run.limits):
        return []
    return [metric("training_cost", training_cost(run.prices, run.limits, run.nodes, seconds))]


def ranked(run: RunConfig, metrics: Sequence[Metric]) -> list[Metric]:
    """First those that thresholds name, for they must not get lost; then those of the kind of data; then by importance.

    A termination message holds 4,096 bytes, and what does not fit is left out from the end.
    """
    preset = PRESETS[run.dataset.preset].metrics if run.dataset.preset else ()
    first = [*(threshold.metric for threshold in run.evaluation.thresholds), *preset]
    by_name = {one.name: one for one in metrics}
    return [by_name[name] for name in ordered(by_name, first)]
