"""QLoRA: LoRA beside weights that are held in four bits (arXiv 2305.14314)."""

import torch
from transformers import BitsAndBytesConfig

from banktuner_api.finetunejob import Quantization
from banktuner_api.run_config import RunConfig

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
