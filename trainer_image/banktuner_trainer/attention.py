"""Causal attention within documents that lie end to end in one sequence: no token sees another document's.

The documents are gathered into padded batches of about one length for the attention alone; all other layers, where
most of the work is, see no padding, and no mask of tokens x tokens is ever made.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv

NAME = "within_documents"
FLASH = "flash_attention_2"
"""Keeps documents apart by itself, from their positions."""
MODELS = frozenset({"gpt2", "llama", "mistral", "phi3", "qwen2", "qwen3"})
"""Types of models that attend through transformers' interface and to nothing but what the layer is given."""


def attend_within(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,  # noqa: ARG001 - the interface's signature
    **settings: Any,
) -> tuple[Any, None]:
    """The attention function of transformers' interface. Shapes: (1, heads, tokens, size) -> (1, tokens, heads, size).

    `settings`: `dropout`, `scaling`, and `documents`, which came with the batch; see `batches.documents`.
    """
    back, *gathers = settings["documents"]
    groups = getattr(module, "num_key_value_groups", 1)
    parts = [query, repeat_kv(key, groups), repeat_kv(value, groups)]
    dtype = query.dtype
    # torch's CPU kernel takes twice as long in bfloat16 as in float32, and autocast would choose bfloat16.
    on_cpu = query.device.type == "cpu"
    flat = [(part.float() if on_cpu else part)[0].transpose(0, 1) for part in parts]
    with torch.autocast(query.device.type, enabled=False):
        attended = [_attend(flat, gather, settings) for gather in gathers]
    return torch.cat(attended).index_select(0, back).to(dtype)[None], None


def _attend(parts: list[Any], gather: Any, settings: dict[str, Any]) -> Any:
    """Shapes: three times (tokens, heads, size) -> (documents * longest, heads, size)."""
    count, longest = gather.shape
    places = gather.flatten()
    heads = [part.index_select(0, places).unflatten(0, (count, longest)).transpose(1, 2) for part in parts]
    out = torch.nn.functional.scaled_dot_product_attention(
        *heads, dropout_p=settings.get("dropout", 0.0), is_causal=True, scale=settings.get("scaling")
    )
    return out.transpose(1, 2).flatten(0, 1)


def understands(model: Any, longest: int) -> bool:
    """Whether `model` can be trained on documents end to end, of `longest` tokens at most."""
    config = model.config
    window = getattr(config, "sliding_window", None)
    return config.model_type in MODELS and (window is None or longest <= window)


@contextmanager
def within_documents(model: Any) -> Iterator[None]:
    """Inside this context, `model` attends within documents; backward passes that compute again belong inside too."""
    config = model.config
    before = config._attn_implementation
    if before != FLASH:
        config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


AttentionInterface.register(NAME, attend_within)
