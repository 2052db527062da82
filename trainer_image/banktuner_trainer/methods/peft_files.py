"""What the methods of the peft library share: wrap, save, load, merge, and the base model underneath."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from peft import PeftConfig, PeftModel, get_peft_model

from banktuner_trainer.errors import invalid_config
from banktuner_trainer.methods.layouts import linear_names


def wrap(model: Any, config: PeftConfig, field: str) -> Any:
    """The model with what `config` describes; a classifier's new head is trained and saved with it.

    Raises TrainerError (InvalidConfig) for `field` where a target module does not exist.
    """
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        if "target modules" not in str(error).lower():
            raise
        message = f"the model has no such modules; its linear layers are: {', '.join(linear_names(model))}"
        raise invalid_config(message, field) from error


def save(model: Any, folder: Path) -> None:
    """adapter_config.json and adapter_model.safetensors. Raises OSError."""
    model.save_pretrained(folder)


def load(base: Any, folder: Path) -> Any:
    """The base model with the folder's adapter, frozen, in evaluation mode."""
    return PeftModel.from_pretrained(base, str(folder))


def merge(model: Any) -> Any:
    """The base model with the adapter in its weights. Raises ValueError where a merged weight is not a number."""
    return model.merge_and_unload(safe_merge=True)


def without(model: Any) -> AbstractContextManager[None]:
    """The base model's answers, inside the context."""
    context: AbstractContextManager[None] = model.disable_adapter()
    return context
