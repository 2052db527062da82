"""Refuses, before the training, what cannot fit; says the same where memory ran out all the same."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from banktuner_api import memory_advice
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import ArtifactFormat
from banktuner_api.run_config import RunConfig
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError, is_out_of_memory
from banktuner_trainer.launcher import processes
from banktuner_trainer.memory.estimate import (
    GIB,
    OVERHEAD,
    Batch,
    Estimate,
    changes_that_fit,
    estimate,
    largest_batch,
)
from banktuner_trainer.memory.size import ModelSize, model_size
from banktuner_trainer.methods import METHODS

logger = logging.getLogger(__name__)

MIB = 1024**2
LIBRARIES_BYTES = 850 * MIB
"""Resident set of Python, torch, transformers and peft on a CPU, without a model."""
RECLAIMABLE_BYTES = 350 * MIB
"""Of these, pages of the libraries' files, which the kernel takes back when a container is near its limit."""
CUDA_CONTEXT_BYTES = 700 * MIB
_ONE_TOKEN = Batch(rows=1, tokens=1, checkpointing=False)


def check_weights(run: RunConfig, folder: Path, device: Device) -> None:
    """Before anything is loaded: whether weights, gradients and optimiser fit, and a merge in the end.

    Raises TrainerError (OutOfMemory).
    """
    if _check(run, folder, device, _ONE_TOKEN) is not None and _merges(run):
        _check_merge(run, model_size(run, folder, device), device)


def check_rows(
    run: RunConfig, folder: Path, device: Device, train: Sequence[int], test: Sequence[int]
) -> Estimate | None:
    """Before the first step: whether the largest batch fits. `train`, `test`: tokens of each row.

    Logs the estimate and returns it; None without rows, or where the limit is not known.
    Raises TrainerError (OutOfMemory).
    """
    if not train:
        return None
    packs = run.training.packing and METHODS[run.method].packs
    found = _check(run, folder, device, largest_batch(run, train, sum(test), packs))
    if found is not None:
        logger.info("memory expected: %s of %.2f GiB", found, capacity(run, device) / GIB)
    return found


@contextmanager
def explained(run: RunConfig) -> Iterator[None]:
    """Where memory runs out inside, the error says with which numbers it might not. Raises TrainerError."""
    try:
        yield
    except Exception as error:
        if isinstance(error, TrainerError) or not is_out_of_memory(error):
            raise
        limit = 0 if run.limits.gpus else run.limits.memory_bytes
        advice = memory_advice.after_the_fact(run.training, run.task, run.method, limit)
        raise _refusal(f"out of memory: {advice}") from error


def capacity(run: RunConfig, device: Device) -> int:
    """Bytes that a process may use: of the GPU, else of the container; 0 where it is not known."""
    if device.cuda:
        return int(torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory)
    return run.limits.memory_bytes


def _check(run: RunConfig, folder: Path, device: Device, batch: Batch) -> Estimate | None:
    limit = capacity(run, device)
    if not limit:
        return None
    room = limit if device.cuda else limit + RECLAIMABLE_BYTES
    needed = _estimator(run, model_size(run, folder, device), device)
    found = needed(batch)
    if found.total <= room:
        return found
    changes = changes_that_fit(run, batch, lambda trial: needed(trial).total <= room)
    smaller = _smaller_method(run)
    if smaller is not None and _estimator(smaller, model_size(smaller, folder, device), device)(batch).total <= room:
        changes.append(memory_advice.other_method(run.method))
    if not device.cuda:
        changes.append(memory_advice.more_memory(limit, found.total))
    advice = memory_advice.alternatives(changes) if changes else "use a GPU with more memory, or a smaller model"
    what = "the GPU has" if device.cuda else "the limit is"
    message = f"expected to need {found}, and {what} {memory_advice.quantity(limit)}: {advice}"
    raise _refusal(message)


def _merges(run: RunConfig) -> bool:
    asked = {ArtifactFormat.MERGED, ArtifactFormat.GGUF} & set(run.formats)
    return METHODS[run.method].merge is not None and bool(asked or run.method == Method.IA3)


def _check_merge(run: RunConfig, size: ModelSize, device: Device) -> None:
    """The base model is loaded again in 16 bit, always into the container's memory, when hours have been spent."""
    limit, held = run.limits.memory_bytes, 0 if device.cuda else size.frozen_bytes
    needed = LIBRARIES_BYTES + int((held + 2 * size.parameters) * OVERHEAD)
    if not limit or needed <= limit + RECLAIMABLE_BYTES:
        return
    advice = memory_advice.alternatives([memory_advice.more_memory(limit, needed)])
    other = ", or leave Merged and GGUF out of spec.output.formats" if run.method != Method.IA3 else ""
    message = f"the merged model is expected to need {needed / GIB:.2f} GiB in the end: {advice}{other}"
    raise TrainerError(ExitCode.OUT_OF_MEMORY, "OutOfMemory", message, "spec.resources.memory")


def _estimator(run: RunConfig, size: ModelSize, device: Device) -> Callable[[Batch], Estimate]:
    libraries = CUDA_CONTEXT_BYTES if device.cuda else LIBRARIES_BYTES
    shards = processes(run) * run.nodes
    # Weights of four bits are not sharded: each process holds them whole.
    frozen = 1 if run.method == Method.QLORA else shards
    return lambda batch: estimate(size, batch, libraries, device.cuda, shards, frozen)


def _smaller_method(run: RunConfig) -> RunConfig | None:
    if not memory_advice.can_shrink_method(run.task, run.method):
        return None
    return run.model_copy(update={"method": memory_advice.SMALLER_METHOD[run.method]})


def _refusal(message: str) -> TrainerError:
    return TrainerError(ExitCode.OUT_OF_MEMORY, "OutOfMemory", message, "spec.training.batchSize")
