"""One list of metrics from the numbers of the tuned, the base and the promoted model."""

from banktuner_api.common import Metric
from banktuner_trainer.evaluate.exam import Scores
from banktuner_trainer.reporting import metric

PROMOTED = "_promoted"
"""Ending of the metrics of the model that serves now."""


def compared(tuned: Scores, base: Scores | None, promoted: Scores | None) -> list[Metric]:
    """The tuned model's numbers with the base model's as baseline; after them the promoted model's."""
    known = base.values if base else {}
    metrics = [metric(name, value, known.get(name)) for name, value in tuned.values.items()]
    if promoted:
        metrics += [metric(name + PROMOTED, value) for name, value in promoted.values.items()]
    return metrics
