"""What to change where memory runs out, with numbers; the trainer and the operator say it in the same words."""

import math
from collections.abc import Sequence

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import TrainingConfig

GIB = 1024**3
MIB = 1024**2
_MORE_MEMORY = 1.5
SMALLER_METHOD = {Method.FULL: Method.LORA, Method.LORA: Method.QLORA}


def smaller_batch(training: TrainingConfig, rows: int) -> str:
    """`rows` a step instead, and as many more steps a weight update, so that the result stays the same."""
    now, steps = training.batch_size, training.gradient_accumulation_steps
    more = math.ceil(steps * now / rows)
    return f"spec.training.batchSize {now} -> {rows} with gradientAccumulationSteps {steps} -> {more}"


def shorter_rows(training: TrainingConfig, tokens: int) -> str:
    """`tokens` a row at most."""
    return f"spec.training.maxLength {training.max_length} -> {tokens}"


def checkpointing() -> str:
    """Activations are computed again instead of kept."""
    return "spec.training.gradientCheckpointing true"


def other_method(method: Method) -> str:
    """Fewer trained weights, or frozen ones of four bits."""
    return f"spec.method {method} -> {SMALLER_METHOD[method]}"


def more_memory(memory_bytes: int, needed_bytes: int) -> str:
    """A container that holds `needed_bytes`."""
    return f"spec.resources.memory {quantity(memory_bytes)} -> {quantity(needed_bytes)}"


def can_checkpoint(training: TrainingConfig, task: Task, method: Method) -> bool:
    """Whether checkpointing is left to try."""
    return not (training.gradient_checkpointing or method == Method.PREFIX_TUNING or task == Task.CLASSIFICATION)


def can_shrink_method(task: Task, method: Method) -> bool:
    """Whether another method needs less for the same task."""
    return method in SMALLER_METHOD and task == Task.INSTRUCTION


def after_the_fact(training: TrainingConfig, task: Task, method: Method, memory_bytes: int) -> str:
    """Advice where memory did run out, by nobody knows how much. `memory_bytes`: the container's limit, 0 on GPUs."""
    changes = []
    if training.batch_size > 1:
        changes.append(smaller_batch(training, training.batch_size // 2))
    else:
        changes.append(shorter_rows(training, max(8, training.max_length // 2)))
    if can_checkpoint(training, task, method):
        changes.append(checkpointing())
    if can_shrink_method(task, method):
        changes.append(other_method(method))
    if memory_bytes:
        changes.append(more_memory(memory_bytes, int(memory_bytes * _MORE_MEMORY)))
    return alternatives(changes)


def alternatives(changes: Sequence[str]) -> str:
    """The changes as one sentence."""
    return f"set {', or '.join(changes)}"


def quantity(size: int) -> str:
    """Bytes as a Kubernetes quantity, rounded up: 3.2 GiB is 4Gi, 300 MiB is 300Mi."""
    return f"{math.ceil(size / GIB)}Gi" if size > 2 * GIB or size % GIB == 0 else f"{math.ceil(size / MIB)}Mi"
