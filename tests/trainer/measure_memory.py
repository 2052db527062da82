# ruff: noqa: E402
"""Trains small models, one process each, and prints what each needed beside what was expected, as JSON lines.

Run by test_memory.py in a process of its own: a peak can only be read of a whole process. With the argument QLoRA only
the cases of four bits, with bitsandbytes; else the others, without: it would stay in every process that is started.
"""

import ctypes
import gc
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from banktuner_api.finetunejob_methods import Method, Quantization
from banktuner_trainer.__main__ import HIDDEN
from banktuner_trainer.environment import hide

FOUR_BITS = sys.argv[1:] == [Method.QLORA]
if __name__ == "__main__":
    hide(*HIDDEN, *([] if FOUR_BITS else ["bitsandbytes"]))  # as the trainer's entry point does

import torch
from tokenizers import Tokenizer, models
from transformers import AutoModel, AutoModelForCausalLM, BertConfig, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

from banktuner_trainer.classify.batching import Batcher
from banktuner_trainer.classify.rows import Part, Rows
from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.device import Device, cpu_computes_in_bf16
from banktuner_trainer.evaluate.memory import resident_bytes
from banktuner_trainer.memory import check
from banktuner_trainer.memory.size import packing_bytes, unpacked_bytes
from banktuner_trainer.methods import METHODS, qlora
from banktuner_trainer.models import load_causal, load_dtype, load_encoder
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.settings import paths_from
from banktuner_trainer.tasks import causal, classification
from banktuner_trainer.tasks.base import Context
from tests.trainer.harness import Pod, run_config

ROWS = 8
TIMES = 3
"""Each case is run: a process's peak also depends on when its allocator gives memory back (0.31 to 0.36 GB seen)."""
MADV_PAGEOUT = 21
LIMIT = 64 * 1024**3


@dataclass(frozen=True)
class Case:
    """`family`: of the model; an encoder is trained as a classifier. `options`: other fields of run.json."""

    family: str
    method: str
    vocabulary: int
    bf16: bool
    training: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    width: int = 256
    layers: int = 4
    tokens: int = 256


FP4 = {"type": "fp4", "doubleQuant": False, "computeType": "float32"}
WIDE: dict[str, Any] = {"width": 1024, "layers": 4, "tokens": 32}
"""Weights that would need most of the memory if they were not held as they are said to be."""
CASES = {
    "full": Case("llama", "Full", 4000, False),
    "full-bf16-checkpointing": Case("llama", "Full", 4000, True, {"gradientCheckpointing": True}),
    "lora-bf16": Case("llama", "LoRA", 500, True),
    "adapter": Case("llama", "Adapter", 4000, False),
    "gpt2": Case("gpt2", "Full", 500, False),
    "classification": Case("bert", "LoRA", 500, False),
    "classification-bf16": Case("bert", "LoRA", 500, True, width=768, layers=6, tokens=32),
    "qlora-bf16": Case("llama", "QLoRA", 500, True, **WIDE),
    "qlora-fp4": Case("llama", "QLoRA", 500, False, options={"quantization": FP4}, **WIDE),
}
LAYERS = [("nf4", "bfloat16", True), ("fp4", "bfloat16", False)]
"""One layer of four bits: its type, in what it computes, and whether the trainer computes in bfloat16."""


def chosen(four_bits: bool) -> list[str]:
    """The cases that are run here: a CPU that only emulates bfloat16 needs copies in float32 for it."""
    fast = cpu_computes_in_bf16()
    return [
        name for name, case in CASES.items() if (case.method == Method.QLORA) == four_bits and (fast or not case.bf16)
    ]


def config_of(family: str, vocabulary: int, width: int, layers: int) -> Any:
    if family == "gpt2":
        return GPT2Config(vocab_size=vocabulary, n_embd=width, n_layer=layers, n_head=8, n_positions=512)
    if family == "bert":
        return BertConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=8,
        )
    return LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=8,
        max_position_embeddings=512,
    )


def tokenizer() -> Any:
    words = Tokenizer(models.WordLevel({"<pad>": 0, "</s>": 1}, unk_token="</s>"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="</s>")


def train(name: str, width: int, layers: int) -> dict[str, Any]:
    """Two optimiser steps; what was needed beyond what the process had, and what was expected of it."""
    case = CASES[name]
    before = resident_bytes()
    pod = Pod(Path(tempfile.mkdtemp()))
    device = Device(cuda=False, bf16=case.bf16, fp16=False)
    auto, task = (AutoModel, "Classification") if case.family == "bert" else (AutoModelForCausalLM, "Instruction")
    config = config_of(case.family, case.vocabulary, width, layers)
    settings = {"batchSize": ROWS, "maxSteps": 2, "epochs": None, "maxLength": 256, **case.training}
    run = run_config(task, case.method, training=settings, limits={"memoryBytes": LIMIT}, **case.options)
    auto.from_config(config, dtype=load_dtype(run, config, device)).save_pretrained(pod.work / "model")
    expected = check.check_rows(run, pod.work / "model", device, [case.tokens] * ROWS, [])
    assert expected is not None
    context = Context(run, None, paths_from(pod.environment()), device, Reporter(lambda _: None, attempt=1))  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(2, case.vocabulary, (2 * ROWS, case.tokens), generator=generator).tolist()
    trainer = BUILD[task](context, ids, case.vocabulary)
    forget_file_pages(pod.work / "model" / "model.safetensors")
    peak_starts()
    trainer.train()
    needed = peak_bytes() - before
    return {"case": name, "needed": needed, "expected": expected.total - expected.libraries, "before": before}


def writer(context: Context, ids: list[list[int]], vocabulary: int) -> Any:
    run = context.run
    base = load_causal(context.paths.model, run, context.device, vocabulary)
    rows = [Encoded(row, row) for row in ids]
    return causal.build(context, METHODS[run.method].wrap(base, run, "CAUSAL_LM"), tokenizer(), rows)


def classifier(context: Context, ids: list[list[int]], vocabulary: int) -> Any:
    encoder = load_encoder(context.paths.model, context.run, context.device, vocabulary)
    part = Part(
        [{"input_ids": row, "length": len(row), "labels": n % 4} for n, row in enumerate(ids)], [None] * len(ids)
    )
    nothing, batcher = Part([], []), Batcher(0)
    model = classification.untrained(context, encoder, Rows(["a", "b", "c", "d"], part, nothing, nothing), batcher)
    return classification.build(context, model, part.rows, batcher)


BUILD = {"Instruction": writer, "Classification": classifier}


def forget_file_pages(file: Path) -> None:
    """What the kernel takes back near a container's limit: the file of a model in four bits stays mapped, unused.

    Only pages that were not written to: those are the process's own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(file)):
            start, end = (int(place, 16) for place in line.split()[0].split("-"))
            if libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_PAGEOUT):
                raise OSError(ctypes.get_errno(), "madvise")


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def layer(kind: str, computed: str, bf16: bool, width: int) -> dict[str, Any]:
    """Bytes a weight while one layer is packed, and while it computes."""
    from bitsandbytes.nn import Linear4bit, Params4bit

    dtype = torch.bfloat16 if bf16 else torch.float32
    linear = Linear4bit(width, width, bias=False, compute_dtype=getattr(torch, computed))
    plain, row = torch.randn(width, width, dtype=dtype), torch.randn(1, width, dtype=dtype, requires_grad=True)
    before = peak_starts()
    linear.weight = Params4bit(plain, requires_grad=False, quant_type=kind).to("cpu")
    packing = peak_bytes() - before
    del plain
    qlora.keep_differentiable(linear)
    before = peak_starts()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        score = linear(row).sum()
    score.backward()
    unpacked = peak_bytes() - before
    options = Quantization.model_validate({"type": kind, "computeType": computed})
    expected = {"packing": packing_bytes(options, dtype.itemsize), "unpacked": unpacked_bytes(options, dtype.itemsize)}
    needed = {"packing": packing / width**2, "unpacked": unpacked / width**2}
    return {"layer": [kind, computed, bf16], "needed": needed, "expected": expected}


def peak_starts() -> int:
    """The peak counts from here; what is there already.

    What was freed is given back before: it is of the model's making, or so large in real models that it always is.
    """
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return resident_bytes()


def small_then_large(small: Callable[[], Any], large: Callable[[], dict[str, Any]]) -> None:
    """In a process of its own. What the first run loads on the way must not count, so a small one goes before."""
    process = os.fork()
    if process:
        if os.waitpid(process, 0)[1]:
            sys.exit("a measured process failed")
        return
    try:
        small()
        peak_starts()  # so that the large one does not start with memory of the small one
        print(json.dumps(large()), flush=True)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    torch.set_num_threads(1)
    print(json.dumps({"libraries": resident_bytes()}), flush=True)
    for name in [name for name in chosen(FOUR_BITS) for _ in range(TIMES)]:
        case = CASES[name]
        small_then_large(partial(train, name, 32, 1), partial(train, name, case.width, case.layers))
    for one in LAYERS if FOUR_BITS else []:
        small_then_large(partial(layer, *one, 512), partial(layer, *one, 4096))


if __name__ == "__main__":
    main()
