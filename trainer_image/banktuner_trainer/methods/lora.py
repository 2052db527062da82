"""LoRA: low-rank matrices beside frozen weights (arXiv 2106.09685)."""

from typing import Any

from peft import LoraConfig

from banktuner_api.finetunejob_methods import Lora
from banktuner_api.run_config import RunConfig
from banktuner_trainer.methods import peft_files
from banktuner_trainer.methods.base import Kind

ALL_LINEAR = "all-linear"


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:
    """The model with LoRA matrices. Raises TrainerError (InvalidConfig) where a target module does not exist."""
    return peft_files.wrap(model, lora_config(run.lora or Lora(), kind), "spec.lora.targetModules")


def lora_config(lora: Lora, kind: Kind) -> LoraConfig:
    """peft's configuration. peft itself adds a classifier's head to the saved modules."""
    everything = lora.target_modules == [ALL_LINEAR]
    return LoraConfig(
        task_type=kind,
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=ALL_LINEAR if everything else list(lora.target_modules),
        use_rslora=lora.use_rslora,
        bias="none",
    )
