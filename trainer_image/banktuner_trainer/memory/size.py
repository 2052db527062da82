"""Sizes of a model with its method, counted on a copy without storage: nothing is loaded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from banktuner_api.finetunejob_methods import Lora, Method, Quantization
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import RunConfig
from banktuner_trainer.device import Device
from banktuner_trainer.errors import invalid_model
from banktuner_trainer.methods import METHODS
from banktuner_trainer.methods.bottleneck import Bottleneck
from banktuner_trainer.methods.qlora import HEADS
from banktuner_trainer.models import load_dtype
from banktuner_trainer.scratch_model import new_config

_BLOCK = 64
"""Weights that share a constant when they are held in four bits (arXiv 2305.14314)."""
_KEPT_BY_ACTIVATION = {"gelu": 2, "relu": 2, "gelu_new": 6, "silu": 3}
"""Tensors of the feed-forward part's width that one layer keeps: silu's is gated, gelu_new is made of small steps."""


@dataclass(frozen=True)
class ModelSize:
    """`frozen_bytes` of weights that stay; `trained` and `parameters` in numbers, `width` bytes of a computed number.

    `copied_bytes`: of frozen weights in the computed format, which autocast makes of wider ones and the backward pass
    needs. `unpacked_bytes`: of the largest layer of four bits while it computes; `packing_bytes`: while it is loaded.
    `kept_a_token`: bytes that one layer keeps of one token for the backward pass, without attention's own; `pieces`:
    a dropout in attention keeps as many numbers of each pair of tokens. `cached_a_token`: bytes of a token's keys and
    values in all layers. `vocabulary`: 0 where no token is scored.
    """

    frozen_bytes: int
    copied_bytes: int
    unpacked_bytes: int
    packing_bytes: int
    trained: int
    parameters: int
    width: int
    hidden: int
    layers: int
    vocabulary: int
    kept_a_token: int
    pieces: int
    cached_a_token: int


def model_size(run: RunConfig, folder: Path, device: Device) -> ModelSize:
    """Sizes of the run's model, of which `folder` has the configuration. Raises TrainerError (InvalidModel)."""
    config = _config(run, folder)
    auto = AutoModel if run.task == Task.CLASSIFICATION else AutoModelForCausalLM
    with torch.device("meta"):
        model = auto.from_config(config, trust_remote_code=False)
        model = _wrapped(model, run)
    held = _bytes(load_dtype(run, config, device))
    width = 2 if device.bf16 or device.fp16 else 4
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    parameters = sum(weight.numel() for weight in model.parameters())
    linear = [weight.numel() for weight in _linear(model)]
    four_bits = run.method == Method.QLORA
    casts = METHODS[run.method].frozen_base and not four_bits and held > width
    saved, unpacked, packing = _packed(run, linear, held, device.cuda) if four_bits else (0, 0, 0)
    return ModelSize(
        frozen_bytes=(parameters - trained) * held - saved,
        copied_bytes=sum(linear) * width if casts else 0,
        unpacked_bytes=unpacked,
        packing_bytes=packing,
        trained=trained,
        parameters=parameters,
        width=width,
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
        vocabulary=0 if run.task == Task.CLASSIFICATION else config.vocab_size,
        kept_a_token=_kept(config, model, run, width),
        pieces=_pieces(config),
        cached_a_token=2 * config.num_hidden_layers * _keys(config) * width,
    )


def _config(run: RunConfig, folder: Path) -> Any:
    if run.architecture is not None:
        return new_config(run.architecture, run.architecture.vocabulary_size)
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise invalid_model(f"its config.json cannot be read ({type(error).__name__})") from error


def _wrapped(model: Any, run: RunConfig) -> Any:
    kind: Any = "FEATURE_EXTRACTION" if run.task == Task.CLASSIFICATION else "CAUSAL_LM"
    # Four-bit weights are counted by arithmetic: without storage there is nothing to quantise.
    method = METHODS[Method.LORA if run.method == Method.QLORA else run.method]
    return method.wrap(model, run, kind)


def _linear(model: Any) -> Iterator[Any]:
    """Frozen weights of linear layers but the head: what four bits hold."""
    for name, module in model.named_modules():
        linear = isinstance(module, torch.nn.Linear | Conv1D) and not module.weight.requires_grad
        if linear and not any(head in name.split(".") for head in HEADS):
            yield module.weight


def _packed(run: RunConfig, linear: Sequence[int], held: int, cuda: bool) -> tuple[int, int, int]:
    """Bytes that four bits save of layers of so many weights; of the largest, unpacked; of the same, being packed."""
    wanted = run.quantization or Quantization()
    saved = int(sum(linear) * (held - _four_bits(wanted)))
    return saved, max(linear) * unpacked_bytes(wanted, held), 0 if cuda else max(linear) * packing_bytes(wanted, held)


def _four_bits(quantization: Quantization) -> float:
    """Bytes a weight: four bits, and a constant a block in float32, or in 8 bits with constants of its own."""
    return 0.5 + (1 if quantization.double_quant else 4) / _BLOCK


def unpacked_bytes(quantization: Quantization, held: int) -> int:
    """Bytes a weight while its layer computes: in the format that was loaded, and a copy where it computes in another.

    bitsandbytes keeps no copy for the backward pass, which unpacks the layer again.
    """
    computed = _bytes(getattr(torch, quantization.compute_type))
    return held if held == computed else held + computed


def packing_bytes(quantization: Quantization, held: int) -> int:
    """Bytes a weight while its layer is packed on a CPU, where bitsandbytes does it in steps of 32 and 64 bit.

    On GPUs one kernel does it, beside the layer's plain weights, which is less than a step needs.
    """
    return (10 if quantization.type == "nf4" else 24) + (0 if held == 4 else 4)


def _bytes(dtype: Any) -> int:
    return int(torch.finfo(dtype).bits // 8)


def _kept(config: Any, model: Any, run: RunConfig, width: int) -> int:
    """Bytes of a token in one layer: norms in float32, the feed-forward part, inputs of layers, the method's own."""
    hidden, inner = config.hidden_size, _feed_forward(config)
    kept = 8 * hidden + _KEPT_BY_ACTIVATION.get(_activation(config), 3) * inner * width
    if not METHODS[run.method].frozen_base:
        kept += 8 * hidden + (3 * hidden + inner) * width
    if _pieces(config):
        kept += 16 * hidden
    return kept + _of_method(model, run, width) // config.num_hidden_layers


def _of_method(model: Any, run: RunConfig, width: int) -> int:
    """Bytes of a token in all layers that the method keeps: inputs under dropout, what is scaled, what is added."""
    if run.method in (Method.LORA, Method.QLORA):
        dropped = 2 if (run.lora or Lora()).dropout else 0.5
        layers = (part for part in model.modules() if hasattr(part, "lora_A"))
        return int(sum(layer.in_features for layer in layers) * width * dropped)
    if run.method == Method.IA3:
        return sum(layer.out_features * width for layer in model.modules() if hasattr(layer, "ia3_l"))
    networks = (part for part in model.modules() if isinstance(part, Bottleneck))
    return sum(12 * network.up.out_features for network in networks)


def _keys(config: Any) -> int:
    """Numbers in a token's keys of one layer; as many in its values."""
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return int((getattr(config, "num_key_value_heads", None) or heads) * size)


def _feed_forward(config: Any) -> int:
    names = ("intermediate_size", "n_inner", "hidden_dim")
    found = next((getattr(config, name) for name in names if getattr(config, name, None)), None)
    return int(found or 4 * config.hidden_size)


def _activation(config: Any) -> str:
    names = ("hidden_act", "activation_function", "activation")
    return next((str(getattr(config, name)) for name in names if hasattr(config, name)), "")


def _pieces(config: Any) -> int:
    """Numbers a pair of tokens that attention with dropout keeps; without dropout it keeps none."""
    names = ("attention_dropout", "attn_pdrop", "attention_probs_dropout_prob")
    drops = any(getattr(config, name, 0) for name in names)
    return int(config.num_attention_heads) if drops else 0
