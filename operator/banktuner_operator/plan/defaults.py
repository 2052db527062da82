"""Training settings that the user left open, by method and task."""

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import FineTuneJobSpec, Task
from banktuner_api.run_config import TrainingConfig

EPOCHS = {Task.INSTRUCTION: 3, Task.CLASSIFICATION: None, Task.PRETRAINING: 3}
"""A classifier's trainer knows how many rows there are, and sees few of them more often."""
WARMUP_SHARE = 0.03
BATCH_SIZES = {Task.INSTRUCTION: 8, Task.CLASSIFICATION: 32, Task.PRETRAINING: 16}
MAX_LENGTHS = {Task.INSTRUCTION: 1024, Task.CLASSIFICATION: 128, Task.PRETRAINING: 512}
PRETRAINING_RATE = 1e-3
RATES = {
    Method.LORA: 2e-4,
    Method.QLORA: 2e-4,
    Method.IA3: 3e-3,
    Method.PREFIX_TUNING: 1e-2,
    Method.ADAPTER: 1e-3,
    Method.FULL: 2e-5,
}
"""Peak learning rates of Instruction: the fewer weights a method trains, the larger its steps must be. LoRA and QLoRA
as in arXiv 2305.14314, IA3 as in arXiv 2205.05638, PrefixTuning as in peft's guide, Adapter as in arXiv 1902.00751."""
PROJECTED_PREFIX_RATE = 1e-3
"""With spec.prefixTuning.projection a network of its own makes the prefix, and it takes smaller steps."""
CLASSIFIER_RATES = RATES | {Method.LORA: 5e-4, Method.QLORA: 5e-4, Method.IA3: 1e-2}
"""Encoders are smaller than generative models; the head is fitted beforehand and needs no larger steps."""


def training(spec: FineTuneJobSpec) -> TrainingConfig:
    """The training loop's settings with every choice made."""
    asked = spec.training
    return TrainingConfig(
        epochs=asked.epochs if asked.epochs or asked.max_steps else EPOCHS[spec.task],
        max_steps=asked.max_steps,
        batch_size=asked.batch_size or BATCH_SIZES[spec.task],
        gradient_accumulation_steps=asked.gradient_accumulation_steps,
        learning_rate=asked.learning_rate or learning_rate(spec),
        scheduler=asked.scheduler,
        warmup_steps=_warmup(asked.warmup_steps, asked.warmup_percent),
        max_length=asked.max_length or _max_length(spec),
        packing=_chosen(asked.packing, spec.task == Task.PRETRAINING),
        gradient_checkpointing=_chosen(asked.gradient_checkpointing, _checkpointing_pays(spec)),
        precision=asked.precision,
        seed=asked.seed,
        label_smoothing=asked.label_smoothing,
        early_stopping=asked.early_stopping,
    )


def learning_rate(spec: FineTuneJobSpec) -> float:
    """The usual peak rate of a method for a task."""
    if spec.task == Task.PRETRAINING:
        return PRETRAINING_RATE
    if spec.prefix_tuning and spec.prefix_tuning.projection:
        return PROJECTED_PREFIX_RATE
    return (CLASSIFIER_RATES if spec.task == Task.CLASSIFICATION else RATES)[spec.method]


def _max_length(spec: FineTuneJobSpec) -> int:
    architecture = spec.model.architecture
    return architecture.context_length if architecture else MAX_LENGTHS[spec.task]


def _warmup(steps: int | None, percent: int | None) -> float:
    if steps is not None:
        return float(steps)
    return WARMUP_SHARE if percent is None else percent / 100


def _checkpointing_pays(spec: FineTuneJobSpec) -> bool:
    """It saves GPU memory for time; on a CPU, and on short sequences, time is what is scarce.

    A learned prefix lives in the cache, which checkpointing does without.
    """
    short = spec.task == Task.CLASSIFICATION
    return spec.resources.gpus > 0 and not short and spec.method != Method.PREFIX_TUNING


def _chosen(asked: bool | None, default: bool) -> bool:
    return default if asked is None else asked
