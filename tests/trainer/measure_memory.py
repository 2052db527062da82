"""Trains small models, one process each, and prints what each needed beside what was expected, as JSON lines.

Run by test_memory.py in a process of its own: a peak can only be read of a whole process.
"""

import ctypes
import gc
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, PreTrainedTokenizerFast

from banktuner_trainer.data.encode import Encoded
from banktuner_trainer.device import Device, cpu_computes_in_bf16
from banktuner_trainer.evaluate.memory import resident_bytes
from banktuner_trainer.memory import check
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import load_causal
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.settings import paths_from
from banktuner_trainer.tasks import causal
from banktuner_trainer.tasks.base import Context
from tests.trainer.harness import Pod, run_config

ROWS, TOKENS = 8, 256
TIMES = 3
"""Each case is run: a process's peak also depends on when its allocator gives memory back (0.31 to 0.36 GB seen)."""
LIMIT = 64 * 1024**3
CASES: dict[str, tuple[str, str, int, bool, dict[str, Any]]] = {
    "full": ("llama", "Full", 4000, False, {}),
    "full-bf16-checkpointing": ("llama", "Full", 4000, True, {"gradientCheckpointing": True}),
    "lora-bf16": ("llama", "LoRA", 500, True, {}),
    "adapter": ("llama", "Adapter", 4000, False, {}),
    "gpt2": ("gpt2", "Full", 500, False, {}),
}


def chosen() -> list[str]:
    """The cases that are run here: a CPU that only emulates bfloat16 needs copies in float32 for it."""
    return [name for name, (*_, bf16, _) in CASES.items() if not bf16 or cpu_computes_in_bf16()]


def config_of(family: str, vocabulary: int, width: int, layers: int) -> Any:
    if family == "gpt2":
        return GPT2Config(vocab_size=vocabulary, n_embd=width, n_layer=layers, n_head=8, n_positions=512)
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
    family, method, vocabulary, bf16, training = CASES[name]
    before = resident_bytes()
    pod = Pod(Path(tempfile.mkdtemp()))
    folder = pod.work / "model"
    device = Device(cuda=False, bf16=bf16, fp16=False)
    dtype = device.load_dtype if METHODS[method].frozen_base else torch.float32  # type: ignore[index]
    config = config_of(family, vocabulary, width, layers)
    AutoModelForCausalLM.from_config(config, dtype=dtype).save_pretrained(folder)
    settings = {"batchSize": ROWS, "maxSteps": 2, "epochs": None, "maxLength": TOKENS, **training}
    run = run_config("Instruction", method, training=settings, limits={"memoryBytes": LIMIT})
    expected = check.check_rows(run, folder, device, [TOKENS] * ROWS, [])
    assert expected is not None
    model = METHODS[run.method].wrap(load_causal(folder, run, device, vocabulary), run, "CAUSAL_LM")
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(2, vocabulary, (2 * ROWS, TOKENS), generator=generator).tolist()
    context = Context(run, None, paths_from(pod.environment()), device, Reporter(lambda _: None, attempt=1))  # type: ignore[arg-type]
    trainer = causal.build(context, model, tokenizer(), [Encoded(row, row) for row in ids])
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    trainer.train()
    needed = peak_bytes() - before
    return {"case": name, "needed": needed, "expected": expected.total - expected.libraries, "before": before}


def peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def child(name: str) -> None:
    """What the first run of all loads on the way must not count, so a run of a few kilobytes goes before."""
    try:
        train(name, width=32, layers=1)
        gc.collect()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        print(json.dumps(train(name, width=256, layers=4)), flush=True)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main() -> None:
    torch.set_num_threads(1)
    sys.modules["bitsandbytes"] = None  # type: ignore[assignment]  # as runs without four bits have it
    print(json.dumps({"libraries": resident_bytes()}), flush=True)
    for name in [name for name in chosen() for _ in range(TIMES)]:
        process = os.fork()
        if process == 0:
            child(name)
        if os.waitpid(process, 0)[1]:
            sys.exit(f"{name} failed")


if __name__ == "__main__":
    main()
