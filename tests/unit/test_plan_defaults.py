"""Training settings that the user left open."""

import pytest

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_operator.plan import defaults
from tests.unit.operator_samples import Json, job_owner


def spec(**asked: object) -> FineTuneJobSpec:
    return FineTuneJobSpec.model_validate(job_owner(**asked)["spec"])


@pytest.mark.parametrize(
    ("method", "instruction", "classification"),
    [
        ("LoRA", 2e-4, 5e-4),
        ("QLoRA", 2e-4, 5e-4),
        ("IA3", 3e-3, 1e-2),
        ("PrefixTuning", 1e-2, 1e-2),
        ("Adapter", 1e-3, 1e-3),
        ("Full", 2e-5, 2e-5),
    ],
)
def test_rates(method: str, instruction: float, classification: float) -> None:
    assert defaults.learning_rate(spec(method=method, task="Instruction")) == instruction
    assert defaults.learning_rate(spec(method=method, task="Classification")) == classification


def test_every_method_has_a_rate() -> None:
    assert defaults.RATES.keys() == defaults.CLASSIFIER_RATES.keys() == set(Method)


def test_fewer_trained_weights_take_larger_steps() -> None:
    by_weights = ("Full", "LoRA", "Adapter", "IA3", "PrefixTuning")  # from the most trained weights to the fewest
    rates = [defaults.learning_rate(spec(method=method, task="Instruction")) for method in by_weights]
    assert rates == sorted(rates)


def test_a_projected_prefix_takes_smaller_steps() -> None:
    projected = spec(method="PrefixTuning", task="Instruction", prefixTuning={"projection": True})
    assert defaults.learning_rate(projected) == 1e-3


@pytest.mark.parametrize(
    ("method", "task", "gpus", "pays"),
    [
        ("LoRA", "Instruction", 1, True),
        ("LoRA", "Instruction", 0, False),
        ("LoRA", "Classification", 1, False),
        ("PrefixTuning", "Instruction", 1, False),
        ("Adapter", "Instruction", 1, True),
    ],
)
def test_gradient_checkpointing(method: str, task: str, gpus: int, pays: bool) -> None:
    made = defaults.training(spec(method=method, task=task, resources={"gpus": gpus}))
    assert made.gradient_checkpointing is pays


def test_only_pretraining_packs_by_itself() -> None:
    scratch: Json = {"architecture": {}}
    assert defaults.training(spec(task="Pretraining", method="Full", model=scratch)).packing
    assert not defaults.training(spec(task="Instruction")).packing
