"""Where the linear layers of an architecture are: found by the names of its modules, not by the model's type.

A name here is the end of a module's path. Whoever has the same layout as a known family is served by it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Layout:
    """Regular expressions for the end of a path: what makes keys and values, and the last layer of either part."""

    keys_and_values: tuple[str, ...]
    attention_output: str
    feed_forward_output: str


LAYOUTS = (
    Layout(("self_attn.k_proj", "self_attn.v_proj"), "self_attn.o_proj", "mlp.down_proj"),  # Llama, Mistral, Qwen
    Layout(("self_attn.qkv_proj",), "self_attn.o_proj", "mlp.down_proj"),  # Phi-3
    Layout(("attn.c_attn",), "attn.c_proj", "mlp.c_proj"),  # GPT-2
    Layout(("self.key", "self.value"), "attention.output.dense", r"\d+.output.dense"),  # BERT, RoBERTa, Electra
    Layout(("self.key_proj", "self.value_proj"), "attention.output.dense", r"\d+.output.dense"),  # DeBERTa
    Layout(("attn.k", "attn.v"), "attn.o", r"\d+.output.dense"),  # MPNet
    Layout(("k_lin", "v_lin"), "attention.out_lin", "ffn.lin2"),  # DistilBERT
    Layout(("attn.Wqkv",), "attn.Wo", "mlp.Wo"),  # ModernBERT
    Layout(("attention.query_key_value",), "attention.dense", "mlp.dense_4h_to_h"),  # GPT-NeoX
)


def layout_of(model: Any) -> Layout | None:
    """The layout whose every part the model has; None for architectures that are not known."""
    for layout in LAYOUTS:
        parts = (*layout.keys_and_values, layout.attention_output, layout.feed_forward_output)
        if all(next(modules_at(model, part), None) is not None for part in parts):
            return layout
    return None


def pattern(*parts: str) -> str:
    """A regular expression for whole paths that end with one of `parts`."""
    return rf"(.*\.)?({'|'.join(part.replace('.', chr(92) + '.') for part in parts)})"


def modules_at(model: Any, *parts: str) -> Iterator[tuple[str, Any]]:
    """(path, module) of the modules whose path ends with one of `parts`."""
    wanted = re.compile(pattern(*parts))
    return ((path, module) for path, module in model.named_modules() if wanted.fullmatch(path))


def linear_names(model: Any) -> list[str]:
    """Last names of the model's linear layers, for messages."""
    kinds = ("Linear", "Conv1D")
    return sorted({path.rsplit(".", 1)[-1] for path, part in model.named_modules() if type(part).__name__ in kinds})
