"""The tuned model without an adapter: the base model loaded anew in 16 bit, with the adapter in its weights."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig

from banktuner_api.run_config import RunConfig
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.methods.base import TuningMethod

SHARD_SIZE = "4GB"
_EMBEDDINGS = ("embed_tokens", "wte", "wpe")
_SIXTEEN_BITS = (torch.bfloat16, torch.float16)


def write_merged(method: TuningMethod, trained: Any, base: Path, adapter: Path, folder: Path) -> None:
    """Write the merged model's config.json and safetensors, on the CPU, so that a GPU need not hold two models.

    `trained`: the model with the adapter, which tells class and number format. Never merges into quantised weights:
    `base` is the base model's own folder. Raises TrainerError, OSError, ValueError.
    """
    assert method.load is not None and method.merge is not None, "the schema refuses formats that need a merge"
    dtype = sixteen_bits(trained, base)
    model = _base_class(trained).from_pretrained(
        base,
        config=_plain_config(trained),
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        ignore_mismatched_sizes=True,
    )
    merged = method.merge(method.load(model, adapter))
    merged.to(dtype).save_pretrained(folder, max_shard_size=SHARD_SIZE)


def check_mergeable(run: RunConfig) -> None:
    """Raises TrainerError (InvalidConfig) for an adapter on the embeddings, which heads may share and GGUF lacks."""
    changed = sorted(set(run.lora.target_modules if run.lora else []) & set(_EMBEDDINGS))
    if changed:
        message = f"an adapter on {changed[0]} can neither be merged nor be written as GGUF: leave it out"
        raise invalid_config(message, "spec.lora.targetModules")


def sixteen_bits(trained: Any, base: Path) -> Any:
    """bfloat16 or float16: as the run held the base model, else as its files do, else bfloat16."""
    stored = AutoConfig.from_pretrained(base, local_files_only=True, trust_remote_code=False).dtype
    return next((dtype for dtype in (trained.dtype, stored) if dtype in _SIXTEEN_BITS), torch.bfloat16)


def _base_class(trained: Any) -> Any:
    return type(trained.get_base_model() if hasattr(trained, "get_base_model") else trained)


def _plain_config(trained: Any) -> Any:
    config = deepcopy(trained.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    config.use_cache = True
    return config
