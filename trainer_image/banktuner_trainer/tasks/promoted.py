"""The model that serves now, as the run's configuration names it: its numbers stand beside the new ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from banktuner_api.finetunejob_methods import Method
from banktuner_api.run_config import RunConfig
from banktuner_trainer.device import Device
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.export.folder import ADAPTER_CONFIG
from banktuner_trainer.methods import METHODS
from banktuner_trainer.tasks.base import Context

Load = Callable[[Path, RunConfig, Device, int], Any]
"""A folder's model: `models.load_causal` or `models.load_encoder`."""


def load_promoted(context: Context, vocabulary: int, load: Load) -> Any:
    """A whole model, or an adapter on this run's base model; `vocabulary`: tokens that its tokenizer knows.

    To be called before this run's own model is loaded, so that there is one in memory at a time.
    Raises TrainerError where it does not stand on this run's base model.
    """
    run, paths = context.run, context.paths
    config = paths.promoted / ADAPTER_CONFIG
    if not config.exists():
        return load(paths.promoted, run, context.device, vocabulary)
    adapter = json.loads(config.read_text(encoding="utf-8"))
    if run.model is None or adapter.get("base_model_name_or_path") != run.model.uri:
        message = "the promoted adapter stands on another base model than this job: compare with Base"
        raise invalid_config(message, "spec.evaluation.promoted")
    method = METHODS[Method.LORA if "peft_type" in adapter else Method.ADAPTER]
    if method.load is None:
        raise ValueError("adapters can be loaded")
    return method.load(load(paths.model, run, context.device, vocabulary), paths.promoted)
