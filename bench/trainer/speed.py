"""Tokens a second of the trainer beside a plain trl script: same model, adapter, data, tokens a batch and precision."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from banktuner_api.common import Precision
from banktuner_api.finetunejob_methods import Method
from banktuner_api.handshake import Staged, StagedFile
from banktuner_api.run_config import RunConfig
from banktuner_trainer.data.encode import IGNORED
from banktuner_trainer.device import Device, choose_device
from banktuner_trainer.evaluate.perplexity import measure
from banktuner_trainer.methods import METHODS
from banktuner_trainer.models import load_causal, load_tokenizer
from banktuner_trainer.reporting import Reporter
from banktuner_trainer.settings import Paths
from banktuner_trainer.tasks import causal
from banktuner_trainer.tasks.base import Context, trained_in_float32
from bench.trainer.jobs import configured
from bench.trainer.small_llama import SEED, Shape, generated, model_folder, rows_of_turns

LEARNING_RATE = 0.002
HELD_OUT = 200


@dataclass(frozen=True)
class Case:
    """What is trained: `rows` rows, `batch` of them a step. `packing`: the trainer's own; trl is run both ways."""

    name: str
    shape: Shape
    method: Method
    rows: int
    batch: int
    packing: bool = False
    precision: Precision = "Auto"


@dataclass(frozen=True)
class Speed:
    """Of one run: tokens without padding a second, loss on held-out rows, peak bytes of GPU memory."""

    tokens_per_second: float
    loss: float
    peak_bytes: int


class Track:
    """One case on this machine: every run starts from the same weights and sees the same rows."""

    def __init__(self, case: Case, scratch: Path, cuda: bool) -> None:
        """Model and rows are made where they are not there yet. `scratch`: folder that is kept."""
        dataset = generated(scratch)
        self.case = case
        self.folder = model_folder(scratch, case.name, case.shape, dataset)
        self.device: Device = choose_device(case.precision, gpus=int(cuda))
        self.tokenizer = load_tokenizer(self.folder)
        self.rows = rows_of_turns(self.tokenizer, dataset / "banking-train.jsonl", case.rows)
        self.held_out = rows_of_turns(self.tokenizer, dataset / "banking-test.jsonl", HELD_OUT)
        self.tokens = sum(len(row.input_ids) for row in self.rows)
        self.batch_tokens = round(self.tokens / case.rows * case.batch)
        self._loop = scratch / "loop"

    def ours(self) -> Speed:
        """The trainer's own loop."""
        return self._measured(lambda model, run: causal.build(self._context(run), model, self.tokenizer, self.rows))

    def trl(self, packing: bool) -> Speed:
        """trl's defaults, but for precision, batch, learning rate, and gradient checkpointing, which ours has not."""
        # Hidden from the trainer's own process for the time that it takes to import; trl needs it.
        if sys.modules.get("datasets", True) is None:
            del sys.modules["datasets"]
        from datasets import Dataset
        from trl import SFTConfig, SFTTrainer

        masks = [[int(label != IGNORED) for label in row.labels] for row in self.rows]
        data = Dataset.from_dict({"input_ids": [row.input_ids for row in self.rows], "completion_mask": masks})
        config = SFTConfig(
            output_dir=str(self._loop),
            num_train_epochs=1,
            per_device_train_batch_size=1 if packing else self.case.batch,
            packing=packing,
            # Not by default for rows that are token ids already.
            completion_only_loss=True,
            max_length=self.batch_tokens if packing else 2048,
            learning_rate=LEARNING_RATE,
            bf16=self.device.bf16,
            fp16=self.device.fp16,
            use_cpu=not self.device.cuda,
            gradient_checkpointing=False,
            seed=SEED,
            data_seed=SEED,
            save_strategy="no",
            disable_tqdm=True,
        )

        def build(model: Any, _: RunConfig) -> Any:
            trained_in_float32(model)
            return SFTTrainer(model=model, args=config, train_dataset=data, processing_class=self.tokenizer)

        return self._measured(build)

    def _measured(self, build: Callable[[Any, RunConfig], Any]) -> Speed:
        run = configured(self._spec())
        torch.manual_seed(SEED)
        base = load_causal(self.folder, run, self.device, len(self.tokenizer))
        trainer = build(METHODS[self.case.method].wrap(base, run, "CAUSAL_LM"), run)
        # Both see the rows in the order of the list, which is a random one.
        trainer.args.train_sampling_strategy = "sequential"
        if self.device.cuda:
            torch.cuda.reset_peak_memory_stats()
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
        peak = int(torch.cuda.max_memory_allocated()) if self.device.cuda else 0
        loss = measure(trainer.model, self.held_out, self.tokenizer.pad_token_id).loss
        shutil.rmtree(self._loop, ignore_errors=True)
        return Speed(self.tokens / seconds, loss, peak)

    def _spec(self) -> dict[str, Any]:
        """As a user would write it; packed rows are as long as the other way's batch has tokens."""
        packed = {"packing": True, "batchSize": 1, "maxLength": self.batch_tokens}
        plain = {"packing": False, "batchSize": self.case.batch, "maxLength": 2048}
        fixed = {"epochs": 1, "learningRate": LEARNING_RATE, "scheduler": "Linear", "warmupSteps": 0, "seed": SEED}
        numbers = {"precision": self.case.precision, "gradientCheckpointing": False}
        return {
            "task": "Instruction",
            "method": self.case.method.value,
            "model": {"uri": "s3://bench/model"},
            "dataset": {"uri": "s3://bench/train.jsonl", "format": "Alpaca"},
            "lora": {"rank": 16, "alpha": 32, "dropout": 0.0, "targetModules": ["all-linear"]},
            "training": fixed | numbers | (packed if self.case.packing else plain),
            "output": {"uri": "s3://bench/out"},
        }

    def _context(self, run: RunConfig) -> Context:
        staged = Staged(model_digest=None, train=StagedFile(path="rows", sha256="0" * 64, size_bytes=0))
        return Context(run, staged, Paths(work=self._loop), self.device, Reporter(_to_nobody, attempt=1))


def _to_nobody(_: object) -> None:
    """Progress is reported by no one's agent here."""
