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
KINDS = {
    "LORA": Method.LORA,
    "IA3": Method.IA3,
    "PREFIX_TUNING": Method.PREFIX_TUNING,
    "BOTTLENECK": Method.ADAPTER,
}
"""Who reads an adapter, by the `peft_type` in its configuration; QLoRA's are LoRA's."""


def load_promoted(context: Context, vocabulary: int, load: Load) -> Any:
    """A whole model, or an adapter on this run's base model; `vocabulary`: tokens that its tokenizer knows.

    It is measured as it serves: in plain weights, though this run may hold its own base model in four bits.
    To be called before this run's own model is loaded, so that there is one in memory at a time.
    Raises TrainerError where it does not stand on this run's base model.
    """
    run, paths = context.run, context.paths
    plain = run.model_copy(update={"method": Method.LORA})
    config = paths.promoted / ADAPTER_CONFIG
    if not config.exists():
        return load(paths.promoted, plain, context.device, vocabulary)
    adapter = json.loads(config.read_text(encoding="utf-8"))
    if run.model is None or adapter.get("base_model_name_or_path") != run.model.uri:
        message = "the promoted adapter stands on another base model than this job: compare with Base"
        raise invalid_config(message, "spec.evaluation.promoted")
    method = METHODS[KINDS[adapter["peft_type"]]]
    if method.load is None:
        raise ValueError("adapters can be loaded")
    return method.load(load(paths.model, plain, context.device, vocabulary), paths.promoted)
