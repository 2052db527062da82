"""Prefix tuning: learned keys and values before every sequence (arXiv 2101.00190)."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PrefixTuningConfig, initialize_kv_prefix_from_past_key_values

from banktuner_api.finetunejob_methods import PrefixTuning
from banktuner_api.run_config import RunConfig
from banktuner_trainer.errors import invalid_config
from banktuner_trainer.methods import peft_files
from banktuner_trainer.methods.base import Kind

_NEAR_ZERO = 0.02


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:
    """The model with a prefix in its cache of keys and values.

    Raises TrainerError (InvalidConfig) for models without such a cache (encoders such as MPNet and DistilBERT), and
    with gradient checkpointing, which computes layers again without it.
    """
    if "past_key_values" not in inspect.signature(model.base_model.forward).parameters:
        message = (
            f"method PrefixTuning needs a cache of keys and values, and a {model.config.model_type} model has none"
        )
        raise invalid_config(message, "spec.method")
    if run.training.gradient_checkpointing:
        raise invalid_config(
            "gradientCheckpointing does not go with method PrefixTuning: its prefix lives in the cache",
            "spec.training.gradientCheckpointing",
        )
    wanted = run.prefix_tuning or PrefixTuning()
    config = PrefixTuningConfig(
        task_type=kind,
        num_virtual_tokens=wanted.virtual_tokens,
        prefix_projection=wanted.projection,
        encoder_hidden_size=model.config.hidden_size,
    )
    wrapped = _cached(peft_files.wrap(model, config, "spec.prefixTuning"))
    if not wanted.projection:
        _start_from_words(wrapped, wanted.virtual_tokens)
    return wrapped


def load(base: Any, folder: Path) -> Any:
    """The base model with the folder's prefix, frozen, in evaluation mode."""
    model = _cached(peft_files.load(base, folder))
    model.requires_grad_(False)
    return model


@torch.no_grad()
def _start_from_words(model: Any, count: int) -> None:
    """Begin with the keys and values of some words, as the paper advises, or near zero where the model tells none."""
    words = torch.randint(model.config.vocab_size, (1, count), device=model.device)
    with without(model):
        cache = getattr(model(input_ids=words, use_cache=True), "past_key_values", None)
    if cache is None:
        model.prompt_encoder[model.active_adapter].embedding.weight.mul_(_NEAR_ZERO)
    else:
        initialize_kv_prefix_from_past_key_values(model, past_key_values=cache)


@contextmanager
def without(model: Any) -> Iterator[None]:
    """The base model's answers, inside the context. peft's own context fails on models that do not generate."""
    if hasattr(model.get_base_model(), "generate"):
        with model.disable_adapter():
            yield
        return
    model.forward = model.base_model.forward
    try:
        yield
    finally:
        del model.forward


def _cached(model: Any) -> Any:
    """Generation has to keep the cache that the prefix lives in, whatever the base model's files say."""
    settings = getattr(model.get_base_model(), "generation_config", None)
    if settings is not None:
        settings.use_cache = True
    return model
