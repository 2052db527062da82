"""QLoRA: LoRA beside weights that are held in four bits (arXiv 2305.14314).

bitsandbytes takes seconds to import, so nothing but a QLoRA run imports it.
"""

from pathlib import Path
from typing import Any

import torch
from transformers import BitsAndBytesConfig

from banktuner_api.finetunejob_methods import Quantization
from banktuner_api.run_config import RunConfig
from banktuner_trainer.methods import lora, peft_files
from banktuner_trainer.methods.base import Kind

HEADS = ["lm_head", "classifier", "score"]
"""Kept in full precision: the last layer decides the answer, and a classifier's is new and trained."""


def quantization(run: RunConfig) -> BitsAndBytesConfig:
    """Four-bit configuration; every option is set, because the library's defaults are others."""
    wanted = run.quantization or Quantization()
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=wanted.type,
        bnb_4bit_use_double_quant=wanted.double_quant,
        bnb_4bit_compute_dtype=getattr(torch, wanted.compute_type),
        llm_int8_skip_modules=HEADS,
    )


def wrap(model: Any, run: RunConfig, kind: Kind) -> Any:
    """The four-bit model with LoRA matrices."""
    keep_differentiable(model)
    return lora.wrap(model, run, kind)


def load(base: Any, folder: Path) -> Any:
    """The base model, in four bits or in plain weights, with the folder's adapter, in evaluation mode."""
    if getattr(base, "is_loaded_in_4bit", False):
        keep_differentiable(base)
    return peft_files.load(base, folder)


def keep_differentiable(model: Any) -> None:
    """Keep the four-bit weights in the one layout that has a gradient.

    On CPUs with AVX512-BF16, bitsandbytes 0.50 repacks a layer's weights for good at its first forward pass in
    evaluation mode. Training after that would go through a kernel without a gradient, and nobody would say so.
    """
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False
