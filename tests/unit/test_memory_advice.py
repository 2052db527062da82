"""What is said where memory runs out: fields of the job, with the numbers they have and should have."""

import pytest

from banktuner_api import memory_advice
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.run_config import TrainingConfig

GIB = 1024**3


def training(**changes: object) -> TrainingConfig:
    settings = {
        "epochs": 1,
        "batch_size": 16,
        "gradient_accumulation_steps": 2,
        "learning_rate": 2e-4,
        "scheduler": "Cosine",
        "warmup_steps": 0.03,
        "max_length": 1024,
        "packing": False,
        "gradient_checkpointing": False,
        "precision": "Auto",
        "seed": 1,
    }
    return TrainingConfig.model_validate(settings | changes)


def test_every_change_has_its_numbers() -> None:
    assert memory_advice.after_the_fact(training(), Task.INSTRUCTION, Method.LORA, 4 * GIB) == (
        "set spec.training.batchSize 16 -> 8 with gradientAccumulationSteps 2 -> 4,"
        " or spec.training.gradientCheckpointing true, or spec.method LoRA -> QLoRA,"
        " or spec.resources.memory 4Gi -> 6Gi"
    )


@pytest.mark.parametrize(
    ("task", "method", "changes", "unsaid"),
    [
        (Task.INSTRUCTION, Method.PREFIX_TUNING, {}, "gradientCheckpointing true"),
        (Task.INSTRUCTION, Method.LORA, {"gradient_checkpointing": True}, "gradientCheckpointing true"),
        (Task.CLASSIFICATION, Method.LORA, {}, "gradientCheckpointing true"),
        (Task.CLASSIFICATION, Method.LORA, {}, "spec.method"),
        (Task.INSTRUCTION, Method.QLORA, {}, "spec.method"),
        (Task.PRETRAINING, Method.FULL, {}, "spec.method"),
        (Task.INSTRUCTION, Method.LORA, {"batch_size": 1}, "batchSize"),
    ],
)
def test_nothing_is_advised_that_cannot_be(task: Task, method: Method, changes: dict[str, object], unsaid: str) -> None:
    said = memory_advice.after_the_fact(training(**changes), task, method, 0)
    assert unsaid not in said
    assert "spec.resources.memory" not in said  # a GPU's memory is what it is


def test_single_rows_become_shorter() -> None:
    said = memory_advice.after_the_fact(training(batch_size=1), Task.PRETRAINING, Method.FULL, 0)
    assert "spec.training.maxLength 1024 -> 512" in said


@pytest.mark.parametrize(
    ("size", "text"),
    [(300 * 1024**2, "300Mi"), (300 * 1024**2 + 1, "301Mi"), (GIB, "1Gi"), (3 * GIB + 1, "4Gi"), (2 * GIB, "2Gi")],
)
def test_sizes_are_rounded_up(size: int, text: str) -> None:
    assert memory_advice.quantity(size) == text
