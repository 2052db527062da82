"""What a task is given, what it leaves, and the numbers that all tasks tell of their training."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from banktuner_api.common import Metric
from banktuner_api.finetunejob_status import ServedAs
from banktuner_api.handshake import Staged
from banktuner_api.run_config import RunConfig
from banktuner_trainer.callbacks import diverged
from banktuner_trainer.device import Device, gpu_peak_bytes
from banktuner_trainer.distributed import World
from banktuner_trainer.environment import peak_memory_bytes
from banktuner_trainer.evaluate.intent import Confusion
from banktuner_trainer.reporting import Reporter, metric
from banktuner_trainer.settings import Paths


@dataclass(frozen=True)
class Context:
    """One attempt."""

    run: RunConfig
    staged: Staged
    paths: Paths
    device: Device
    reporter: Reporter
    world: World = field(default_factory=World)


@dataclass(frozen=True)
class Outcome:
    """A trained model (a PeftModel for adapters) with its tokenizer, and what was measured.

    `confusion` becomes a picture; `details` is what result.json tells beside the metrics, under these keys.
    `files` writes what else the artifact's folder has to hold.
    """

    model: Any
    tokenizer: Any
    served_as: ServedAs
    metrics: list[Metric]
    confusion: Confusion | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Callable[[Path], None] | None = None

    @property
    def peak_memory_bytes(self) -> int:
        """Up to the end of the training."""
        return max((int(float(one.value)) for one in self.metrics if one.name == "peak_memory_bytes"), default=0)


def parameter_counts(model: Any) -> tuple[int, int]:
    """(trained, all) weights; weights held in four bits count as what they stand for."""
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return trained, sum(_numel(weight) for weight in model.parameters())


def _numel(weight: Any) -> int:
    """bitsandbytes packs two four-bit weights into a byte and remembers the true shape."""
    state = getattr(weight, "quant_state", None)
    return int(state.shape.numel()) if state is not None else int(weight.numel())


def trained_in_float32(model: Any) -> None:
    """Keep what is trained in float32: small steps would be lost in half precision."""
    for weight in model.parameters():
        if weight.requires_grad and weight.dtype != torch.float32:
            weight.data = weight.data.float()


def training_metrics(model: Any, train_loss: float, seconds: float) -> list[Metric]:
    """What the loop told, and sizes. Raises TrainerError when the weights diverged."""
    trained, total = parameter_counts(model)
    if not all(bool(torch.isfinite(weight).all()) for weight in model.parameters() if weight.requires_grad):
        raise diverged("a trained weight is not a number")
    return [
        metric("train_loss", train_loss),
        metric("train_runtime_seconds", seconds),
        metric("trainable_parameters", trained),
        metric("trainable_ratio", trained / total),
        metric("peak_memory_bytes", peak_memory_bytes(gpu_peak_bytes())),
    ]
