"""LoRA: low-rank matrices beside frozen weights (arXiv 2106.09685)."""

from typing import Any

from peft import LoraConfig, get_peft_model

from banktuner_api.finetunejob_methods import Lora
from banktuner_api.run_config import RunConfig
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.methods.base import Kind

ALL_LINEAR = "all-linear"


def quantization(run: RunConfig) -> None:
    """The base model's weights as they are."""


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:
    """The model with LoRA matrices; a classifier's new head is trained and saved with them.

    Raises TrainerError (InvalidConfig) where a target module does not exist.
    """
    try:
        return get_peft_model(model, lora_config(run.lora or Lora(), kind))
    except ValueError as error:
        if "target modules" not in str(error).lower():
            raise
        message = f"the model has no such modules; its linear layers are: {', '.join(_linear_names(model))}"
        raise invalid_config(message, "spec.lora.targetModules") from error


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


def _linear_names(model: Any) -> list[str]:
    names = {name.rsplit(".", 1)[-1] for name, module in model.named_modules() if "Linear" in type(module).__name__}
    return sorted(names)
