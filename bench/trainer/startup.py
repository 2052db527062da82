"""From the start of the trainer's process to its first optimiser step, with model and data staged."""

import statistics
import subprocess
import sys
import time

from bench.rows import Measurement, Row, Settings
from bench.trainer.jobs import Files, start_job
from bench.trainer.small_llama import LLAMA_15M, generated, model_folder

ROUNDS = 5
PLAIN_IMPORTS = "from transformers import AutoModelForCausalLM; from peft import LoraConfig; from trl import SFTTrainer"
SPEC = {
    "task": "Instruction",
    "method": "LoRA",
    "model": {"uri": "s3://bench/model"},
    "dataset": {"uri": "s3://bench/train.jsonl", "format": "Alpaca"},
    "training": {"epochs": 1, "batchSize": 8, "maxLength": 256},
    # The base model's own exam is work of another kind, which a job may ask for before the first step.
    "evaluation": {"compareWith": "None"},
    "output": {"uri": "s3://bench/out"},
}


def startup(settings: Settings) -> list[Row]:
    """The whole data set is read and tokenised before the first step, as in any job."""
    dataset = generated(settings.scratch)
    model = model_folder(settings.scratch, "llama-15m", LLAMA_15M, dataset)
    runs = [_seconds(settings, Files(model, dataset / "house-train.jsonl")) for _ in range(ROUNDS)]
    imports = [_plain_imports() for _ in range(ROUNDS)]
    peer = (
        "median of the runs; LoRA on a Llama of 15 M parameters, 1,860 rows; "
        f"a plain trl script's imports alone take {statistics.median(imports):.1f} s"
    )
    return [Row("startup_seconds", statistics.median(runs), "s", 12, peer, runs, lower_is_better=True)]


def _plain_imports() -> float:
    """What any script of these libraries waits for before it can read a model."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", PLAIN_IMPORTS], check=True)
    return time.monotonic() - started


def _seconds(settings: Settings, files: Files) -> float:
    """Until the line of step 1; the run ends there. Raises RuntimeError where there is no such line."""
    started = time.monotonic()
    trainer, _ = start_job(settings.scratch / "startup", SPEC, files, subprocess.PIPE)
    try:
        for line in trainer.stdout or ():
            print(line, end="")
            if " step 1/" in line:
                return time.monotonic() - started
    finally:
        trainer.kill()
        trainer.wait()
    raise RuntimeError("the trainer ended before its first step")


MEASUREMENTS = (Measurement(("startup_seconds",), startup),)
