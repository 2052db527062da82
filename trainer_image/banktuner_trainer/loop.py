"""The training loop's settings, from the run's configuration; nothing is left to a library's default that matters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from banktuner_api.run_config import TrainingConfig
from banktuner_trainer.device import Device

SCHEDULERS = {"Linear": "linear", "Cosine": "cosine", "Constant": "constant_with_warmup"}
DEFAULT_EPOCHS = 3
LOG_LINES = 50
"""About how many log lines a run leaves, unless that would be one in more than MAX_LOG_EVERY steps."""
MAX_LOG_EVERY = 50


@dataclass(frozen=True)
class Plan:
    """How long a run is."""

    steps: int

    @property
    def log_every(self) -> int:
        """Optimiser steps between two log lines."""
        return max(1, min(MAX_LOG_EVERY, self.steps // LOG_LINES))


def plan_steps(training: TrainingConfig, rows: int, devices: int = 1) -> Plan:
    """Optimiser steps of a run over `rows` rows; the last batch of an epoch may be smaller."""
    micro = -(-rows // (training.batch_size * devices))
    per_epoch = max(1, -(-micro // training.gradient_accumulation_steps))
    steps = training.max_steps or per_epoch * (training.epochs or DEFAULT_EPOCHS)
    return Plan(steps=steps)


def arguments(training: TrainingConfig, device: Device, scratch: Path, plan: Plan) -> dict[str, Any]:
    """Keyword arguments of transformers' TrainingArguments and of trl's SFTConfig."""
    return {
        "output_dir": str(scratch),
        "num_train_epochs": training.epochs or DEFAULT_EPOCHS,
        "max_steps": training.max_steps or -1,
        "per_device_train_batch_size": training.batch_size,
        "gradient_accumulation_steps": training.gradient_accumulation_steps,
        "learning_rate": training.learning_rate,
        "lr_scheduler_type": SCHEDULERS[training.scheduler],
        "warmup_steps": training.warmup_steps,
        "weight_decay": 0.01,
        "max_grad_norm": 1.0,
        "optim": "adamw_torch_fused",
        "bf16": device.bf16,
        "fp16": device.fp16,
        "use_cpu": not device.cuda,
        "gradient_checkpointing": training.gradient_checkpointing,
        "gradient_checkpointing_kwargs": {"use_reentrant": False},
        "seed": training.seed,
        "data_seed": training.seed,
        # Rows of one length together: little padding, so little work on nothing.
        "train_sampling_strategy": "group_by_length",
        "remove_unused_columns": False,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": device.cuda,
        "eval_strategy": "no",
        "save_strategy": "no",
        "report_to": "none",
        "logging_strategy": "steps",
        "logging_steps": plan.log_every,
        "logging_first_step": True,
        # The filter would hide exactly what the watchdog looks for.
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
    }
