"""Writes GGUF files with the `gguf` package: a model's folder, or a LoRA adapter's; one weight in memory at a time."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gguf
import numpy
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoConfig

from banktuner_trainer.export.chat import adds_bos, first_word_needs_space
from banktuner_trainer.export.gguf_layouts import GgufLayout, layout_of, not_in_gguf
from banktuner_trainer.export.gguf_vocabulary import vocabulary_of

logger = logging.getLogger(__name__)

PHI3_TOKENS = ("</s>", "<unk>", "<s>", "<|endoftext|>")
_POSITIONS = "position_embd.weight"


@dataclass(frozen=True)
class _Weight:
    """One tensor of the file; `read` gives its numbers, in the order and type in which they are written."""

    name: str
    shape: tuple[int, ...]
    kind: gguf.GGMLQuantizationType
    read: Callable[[], torch.Tensor]


def check(config: Any, tokenizer: Any) -> None:
    """Raises TrainerError (InvalidConfig) where the model or its tokenizer cannot be written as GGUF."""
    layout_of(config)
    vocabulary_of(tokenizer, max(config.vocab_size, len(tokenizer)))


def write_model(folder: Path, tokenizer: Any, file: Path) -> None:
    """The whole model of a folder, matrices in its own 16 bit type (float32: in float16), the rest in float32.

    Raises TrainerError where llama.cpp would compute something else, OSError.
    """
    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    layout = layout_of(config)
    kind = _kind(folder)
    writer = _writer(file, layout)
    writer.add_type(gguf.GGUFType.MODEL)
    layout.describe(writer, config)
    bfloat16 = kind is gguf.GGMLQuantizationType.BF16
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16 if bfloat16 else gguf.LlamaFileType.MOSTLY_F16)
    _describe_tokenizer(writer, tokenizer, config)
    _write(writer, [*_weights(folder, layout, config, kind), *_rope_weights(layout, config)])


def write_adapter(folder: Path, config: Any, file: Path) -> None:
    """The LoRA adapter of a folder, in float32, for a base model with this configuration.

    Raises TrainerError where the adapter changes what llama.cpp's adapters cannot, OSError.
    """
    settings = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    layout = layout_of(config)
    writer = _writer(file, layout)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    # llama.cpp divides by the rank; rsLoRA divides by its root (arXiv 2312.03732).
    rank = settings["r"]
    alpha = settings["lora_alpha"] * (rank**0.5 if settings.get("use_rslora") else 1.0)
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
    _write(writer, list(_adapter_weights(folder, layout, config)))


def _writer(file: Path, layout: GgufLayout) -> Any:
    logging.getLogger("gguf").setLevel(logging.WARNING)
    writer = gguf.GGUFWriter(file, gguf.MODEL_ARCH_NAMES[layout.architecture])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    return writer


def _describe_tokenizer(writer: Any, tokenizer: Any, config: Any) -> None:
    vocabulary = vocabulary_of(tokenizer, config.vocab_size)
    writer.add_tokenizer_model(vocabulary.model)
    writer.add_tokenizer_pre(vocabulary.pre)
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.merges is not None:
        writer.add_token_merges(vocabulary.merges)
    if vocabulary.scores is not None:
        writer.add_token_scores(vocabulary.scores)
        writer.add_add_space_prefix(vocabulary.space_prefix)
    _describe_special_tokens(writer, tokenizer)
    _name_phi3(writer, tokenizer, config)
    if tokenizer.chat_template:
        writer.add_chat_template(_chat_template(tokenizer, vocabulary.first_word_only))


def _chat_template(tokenizer: Any, first_word_only: bool) -> str:
    """The space that transformers puts before the first word is written out, where llama.cpp puts none."""
    leads = first_word_only and first_word_needs_space(tokenizer)
    return ("{{ ' ' }}" if leads else "") + str(tokenizer.chat_template)


def _describe_special_tokens(writer: Any, tokenizer: Any) -> None:
    """Ids, and whether a text is begun and ended with them."""
    for add, number in (
        (writer.add_bos_token_id, tokenizer.bos_token_id),
        (writer.add_eos_token_id, tokenizer.eos_token_id),
        (writer.add_pad_token_id, tokenizer.pad_token_id),
        (writer.add_unk_token_id, tokenizer.unk_token_id),
    ):
        if number is not None:
            add(number)
    writer.add_add_bos_token(adds_bos(tokenizer))
    ids = tokenizer("a")["input_ids"]
    writer.add_add_eos_token(tokenizer.eos_token_id is not None and ids[-1] == tokenizer.eos_token_id)


def _name_phi3(writer: Any, tokenizer: Any, config: Any) -> None:
    """Phi-3's special tokens swallow the white space after them; llama.cpp knows that by the model's name only."""
    added = tokenizer.added_tokens_decoder.values()
    swallows = any(token.rstrip for token in added)
    if config.model_type == "phi3" and swallows and {str(token) for token in added}.issuperset(PHI3_TOKENS):
        writer.add_name("Phi-3")


def _kind(folder: Path) -> gguf.GGMLQuantizationType:
    dtypes = {dtype for path in _shards(folder) for dtype in _dtypes(path)}
    return gguf.GGMLQuantizationType.BF16 if dtypes == {"BF16"} else gguf.GGMLQuantizationType.F16


def _dtypes(path: Path) -> Iterator[str]:
    with safe_open(path, framework="pt") as shard:
        yield from (shard.get_slice(name).get_dtype() for name in shard.keys())  # noqa: SIM118 - not a dict


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _weights(folder: Path, layout: GgufLayout, config: Any, kind: gguf.GGMLQuantizationType) -> Iterator[_Weight]:
    names = layout.names(config)
    for path in _shards(folder):
        with safe_open(path, framework="pt") as shard:
            shapes = {name: tuple(shard.get_slice(name).get_shape()) for name in shard.keys()}  # noqa: SIM118
        for name, shape in shapes.items():
            target = names(name)
            if target is None:
                raise not_in_gguf(f"llama.cpp has no weight for {name}")
            matrix = len(shape) > 1 and target != _POSITIONS
            turned = name.endswith(layout.transposed) if layout.transposed else False
            yield _Weight(
                target,
                shape[::-1] if turned else shape,
                kind if matrix else gguf.GGMLQuantizationType.F32,
                _reader(path, name, turned, partial(layout.rows, name, config)),
            )


def _reader(
    path: Path, name: str, turned: bool, order: Callable[[torch.Tensor], torch.Tensor]
) -> Callable[[], torch.Tensor]:
    def read() -> torch.Tensor:
        with safe_open(path, framework="pt") as shard:
            weight = shard.get_tensor(name)
        return order(weight.T if turned else weight)

    return read


def _rope_weights(layout: GgufLayout, config: Any) -> Iterator[_Weight]:
    for name, factors in layout.rope_tensors(config).items():
        yield _float32(name, factors)


def _adapter_weights(folder: Path, layout: GgufLayout, config: Any) -> Iterator[_Weight]:
    """A of shape (rank, inputs) as it is; the rows of B, (outputs, rank), in llama.cpp's order."""
    names = layout.names(config)
    for name, weight in load_file(folder / "adapter_model.safetensors").items():
        module, _, part = name.removeprefix("base_model.model.").partition(".lora_")
        target = names(f"{module}.weight")
        if target is None or part not in ("A.weight", "B.weight"):
            raise not_in_gguf(f"llama.cpp's adapters cannot change {module}")
        if part == "B.weight":
            weight = layout.rows(f"{module}.weight", config, weight)
        yield _float32(f"{target}.lora_{part[0].lower()}", weight)


def _float32(name: str, weight: torch.Tensor) -> _Weight:
    return _Weight(name, tuple(weight.shape), gguf.GGMLQuantizationType.F32, lambda: weight)


def _write(writer: Any, weights: list[_Weight]) -> None:
    for weight in weights:
        size = 4 if weight.kind is gguf.GGMLQuantizationType.F32 else 2
        count = int(numpy.prod(weight.shape))
        writer.add_tensor_info(weight.name, weight.shape, numpy.dtype(f"u{size}"), count * size, weight.kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for weight in weights:
        writer.write_tensor_data(_numbers(weight))
    writer.close()


def _numbers(weight: _Weight) -> numpy.ndarray[Any, Any]:
    """The bytes of a weight's numbers as an array. Raises TrainerError where one is too large for its type."""
    types = {gguf.GGMLQuantizationType.BF16: torch.bfloat16, gguf.GGMLQuantizationType.F16: torch.float16}
    numbers = weight.read().to(types.get(weight.kind, torch.float32)).contiguous()
    if not bool(torch.isfinite(numbers).all()):
        raise not_in_gguf(f"a number in {weight.name} is too large for {numbers.dtype}")
    return numbers.view(torch.int16 if numbers.element_size() == 2 else torch.int32).numpy()
