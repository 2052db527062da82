"""The run as trackers know it: its name, its identity over all attempts, its parameters."""

from dataclasses import dataclass

from banktuner_api.run_config import RunConfig
from banktuner_trainer.tracking.record import flatten

_TOLD = frozenset(
    {"task", "method", "architecture", "lora", "quantization", "ia3", "prefixTuning", "adapter", "training", "nodes"}
)


@dataclass(frozen=True)
class TrackedRun:
    """All attempts of a job are one run of a tracker. `identity` is the job's uid."""

    name: str
    identity: str
    parameters: dict[str, str]


def tracked(run: RunConfig) -> TrackedRun:
    """What is told of an attempt's configuration: nothing of credentials, and of places only model and data."""
    told = {name: value for name, value in run.to_json().items() if name in _TOLD}
    told["dataset"] = {"uri": run.dataset.train.uri, "format": run.dataset.format.value}
    if run.model is not None:
        told["model"] = run.model.uri
    return TrackedRun(f"{run.job.namespace}/{run.job.name}", run.job.uid, flatten(told))
