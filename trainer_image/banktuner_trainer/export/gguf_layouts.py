"""What llama.cpp calls an architecture's settings and weights, and in which order it wants their numbers.

Names and keys: the `gguf` package; the order of query and key rows: llama.cpp rotates neighbouring pairs of a head,
transformers rotates its two halves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gguf
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from banktuner_trainer.errors import TrainerError, invalid_config

FIELD = "spec.output.formats"
_TANH_GELU = ("gelu_new", "gelu_pytorch_tanh")
_CONV1D = (".c_attn.weight", ".c_proj.weight", ".c_fc.weight")


@dataclass(frozen=True)
class GgufLayout:
    """One architecture of llama.cpp, described from a transformers configuration.

    `difference(config)`: what llama.cpp would compute otherwise, None where it computes the same.
    `describe(writer, config)`: the settings. `rope_tensors(config)`: factors of rotary frequencies, by name.
    `rows(name, config, weight)`: a weight of shape (outputs, inputs), or a bias, in llama.cpp's order of outputs.
    `transposed`: ends of the names of weights that transformers keeps as (inputs, outputs).
    """

    architecture: gguf.MODEL_ARCH
    difference: Callable[[Any], str | None]
    describe: Callable[[Any, Any], None]
    rope_tensors: Callable[[Any], dict[str, torch.Tensor]]
    rows: Callable[[str, Any, torch.Tensor], torch.Tensor]
    transposed: tuple[str, ...] = ()

    def names(self, config: Any) -> Callable[[str], str | None]:
        """llama.cpp's name of a weight or bias, None for one that it does not have."""
        table = gguf.get_tensor_name_map(self.architecture, config.num_hidden_layers)
        return lambda name: table.get_name(name, try_suffixes=(".weight", ".bias"))


def layout_of(config: Any) -> GgufLayout:
    """The layout of a model. Raises TrainerError (InvalidConfig) where llama.cpp would not compute the same."""
    layout = LAYOUTS.get(config.model_type)
    if layout is None:
        known = ", ".join(sorted(LAYOUTS))
        raise not_in_gguf(f"its architecture is {config.model_type}, and GGUF is written for {known}")
    difference = layout.difference(config)
    if difference:
        raise not_in_gguf(difference)
    return layout


def not_in_gguf(reason: str) -> TrainerError:
    """The model cannot be written as GGUF; everything else of the job can be had without it."""
    return invalid_config(f"the model cannot be written as GGUF: {reason}. Leave GGUF out of the formats", FIELD)


def _llama_difference(config: Any) -> str | None:
    return _common_difference(config, ("default", "linear", "llama3"))


def _phi3_difference(config: Any) -> str | None:
    return _common_difference(config, ("default", "longrope"))


def _common_difference(config: Any, rope_types: tuple[str, ...]) -> str | None:
    if config.hidden_act != "silu":
        return f"its activation is {config.hidden_act}, not silu"
    rope_type = config.rope_parameters.get("rope_type", "default")
    return None if rope_type in rope_types else f"its rotary scaling is {rope_type}, not one of {', '.join(rope_types)}"


def _gpt2_difference(config: Any) -> str | None:
    if config.activation_function not in _TANH_GELU:
        return f"its activation is {config.activation_function}, not one of {', '.join(_TANH_GELU)}"
    if config.scale_attn_by_inverse_layer_idx or not config.scale_attn_weights or config.add_cross_attention:
        return "its attention is scaled otherwise than GPT-2's"
    return None


def _describe_llama(writer: Any, config: Any) -> None:
    head = _head_size(config)
    _describe_common(writer, config)
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    if config.rope_parameters.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(config.rope_parameters["factor"])


def _describe_phi3(writer: Any, config: Any) -> None:
    _describe_common(writer, config)
    writer.add_rope_dimension_count(int(_head_size(config) * config.rope_parameters.get("partial_rotary_factor", 1.0)))
    writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
    # Without the key, llama.cpp takes the file for another model of the family.
    writer.add_sliding_window(config.sliding_window or 0)
    if config.rope_parameters.get("rope_type") == "longrope":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        _, attention_factor = ROPE_INIT_FUNCTIONS["longrope"](config, torch.device("cpu"))
        writer.add_rope_scaling_attn_factors(attention_factor)


def _describe_common(writer: Any, config: Any) -> None:
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])


def _describe_gpt2(writer: Any, config: Any) -> None:
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_vocab_size(config.vocab_size)


def _llama3_factors(config: Any) -> dict[str, torch.Tensor]:
    """By what llama.cpp divides each plain frequency, shape (head size / 2,)."""
    if config.rope_parameters.get("rope_type") != "llama3":
        return {}
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, torch.device("cpu"))
    head = _head_size(config)
    plain = 1.0 / config.rope_parameters["rope_theta"] ** (torch.arange(0, head, 2, dtype=torch.float32) / head)
    return {"rope_freqs.weight": plain / scaled}


def _longrope_factors(config: Any) -> dict[str, torch.Tensor]:
    if config.rope_parameters.get("rope_type") != "longrope":
        return {}
    return {
        f"rope_factors_{kind}.weight": torch.tensor(config.rope_parameters[f"{kind}_factor"], dtype=torch.float32)
        for kind in ("long", "short")
    }


def _llama_rows(name: str, config: Any, weight: torch.Tensor) -> torch.Tensor:
    if ".q_proj." in name:
        return _interleaved(weight, config.num_attention_heads)
    if ".k_proj." in name:
        return _interleaved(weight, config.num_key_value_heads)
    return weight


def _interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """The two halves of each head's rows, one row of either in turn."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def _same_rows(name: str, config: Any, weight: torch.Tensor) -> torch.Tensor:  # noqa: ARG001 - one signature for all
    return weight


def _no_rope(config: Any) -> dict[str, torch.Tensor]:  # noqa: ARG001 - one signature for all
    return {}


def _head_size(config: Any) -> int:
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


_LLAMA = GgufLayout(gguf.MODEL_ARCH.LLAMA, _llama_difference, _describe_llama, _llama3_factors, _llama_rows)
_PHI3 = GgufLayout(gguf.MODEL_ARCH.PHI3, _phi3_difference, _describe_phi3, _longrope_factors, _same_rows)
_GPT2 = GgufLayout(gguf.MODEL_ARCH.GPT2, _gpt2_difference, _describe_gpt2, _no_rope, _same_rows, _CONV1D)
LAYOUTS: Mapping[str, GgufLayout] = {"llama": _LLAMA, "mistral": _LLAMA, "phi3": _PHI3, "gpt2": _GPT2}
"""By transformers' model_type. llama.cpp computes a Mistral with the architecture llama."""
