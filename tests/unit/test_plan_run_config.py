"""run.json: choices that the user left open, and those that the user made."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api import names
from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.run_config import Limits, ObjectRef, Prices, RunConfig
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.plan.run_config import Place, run_config
from tests.unit.operator_samples import UID, Json, job_owner

OWNER = Owner("FineTuneJob", "bank", "card", UID)
MODEL = ObjectRef(uri="s3://bank/model")
SCRATCH = {"architecture": {"family": "GPT2", "contextLength": 256}}


def config(**spec: Any) -> RunConfig:
    parsed = FineTuneJobSpec.model_validate(job_owner(**spec)["spec"])
    model = None if parsed.model.architecture else MODEL
    return run_config(parsed, Place(OWNER, 2, model, "https://agent:8443"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"method": "LoRA", "task": "Classification"}, (5e-4, 32, 128, False)),
        ({"method": "QLoRA", "task": "Classification"}, (5e-4, 32, 128, False)),
        ({"method": "Full", "task": "Classification"}, (2e-5, 32, 128, False)),
        ({"method": "LoRA", "task": "Instruction"}, (2e-4, 8, 1024, False)),
        ({"method": "QLoRA", "task": "Instruction"}, (2e-4, 8, 1024, False)),
        ({"method": "Full", "task": "Instruction"}, (2e-5, 8, 1024, False)),
        ({"method": "Full", "task": "Pretraining", "model": SCRATCH}, (1e-3, 16, 256, True)),
    ],
)
def test_defaults(spec: Json, expected: tuple[float, int, int, bool]) -> None:
    training = config(**spec).training
    assert (training.learning_rate, training.batch_size, training.max_length, training.packing) == expected
    # How often a classifier sees its rows follows from their number, which only the pod knows.
    assert training.epochs == (None if spec["task"] == "Classification" else 3) and training.max_steps is None
    assert training.warmup_steps == 0.03


def test_what_was_asked_for_stays() -> None:
    asked = {
        "maxSteps": 7,
        "batchSize": 3,
        "learningRate": 0.5,
        "warmupSteps": 0,
        "maxLength": 99,
        "packing": True,
        "gradientCheckpointing": True,
    }
    training = config(task="Instruction", training=asked).training
    assert training.epochs is None
    for field, value in asked.items():
        assert training.to_json()[field] == value


@pytest.mark.parametrize(
    ("training", "warmup"),
    [({}, 0.03), ({"warmupPercent": 10}, 0.1), ({"warmupSteps": 5}, 5.0), ({"warmupPercent": 0}, 0)],
)
def test_warmup(training: Json, warmup: float) -> None:
    assert config(training=training).training.warmup_steps == warmup


BLOCKS = {"lora", "quantization", "ia3", "prefix_tuning", "adapter"}


@pytest.mark.parametrize(
    ("method", "blocks"),
    [
        ("LoRA", {"lora"}),
        ("QLoRA", {"lora", "quantization"}),
        ("IA3", {"ia3"}),
        ("PrefixTuning", {"prefix_tuning"}),
        ("Adapter", {"adapter"}),
        ("Full", set()),
    ],
)
def test_the_blocks_of_the_method(method: str, blocks: set[str]) -> None:
    made = config(method=method, task="Instruction")
    assert {name for name in BLOCKS if getattr(made, name) is not None} == blocks


@pytest.mark.parametrize(
    ("dataset", "percent", "tested"),
    [
        ({"uri": "s3://bank/x.csv"}, 5, False),
        ({"uri": "s3://bank/x.csv", "validationPercent": 20}, 20, False),
        ({"uri": "s3://bank/x.csv", "testUri": "s3://bank/y.csv"}, 0, True),
    ],
)
def test_what_is_held_out(dataset: Json, percent: int, tested: bool) -> None:
    made = config(dataset=dataset).dataset
    assert made.validation_percent == percent and (made.test is not None) is tested


@pytest.mark.parametrize(
    ("task", "rows"), [("Instruction", "Alpaca"), ("Classification", "TextLabel"), ("Pretraining", "Text")]
)
def test_the_usual_form_of_rows(task: str, rows: str) -> None:
    spec: Json = {"task": task}
    if task == "Pretraining":
        spec |= {"method": "Full", "model": SCRATCH}
    assert config(**spec).dataset.format == rows


def test_limits_and_nodes() -> None:
    made = config(
        task="Instruction", nodes=4, resources={"gpus": 2, "cpu": "1500m", "memory": "2Gi", "ephemeralStorage": "3G"}
    )
    assert made.nodes == 4
    assert made.limits == Limits(gpus=2, cpus=1.5, memory_bytes=2 * 1024**3)


@pytest.mark.parametrize(
    ("spec", "suites"),
    [
        ({"task": "Instruction"}, ["Perplexity", "Generation"]),
        ({"task": "Classification"}, ["Intent"]),
        ({"task": "Classification", "outOfScope": True}, ["Intent", "Scope"]),
        ({"task": "Instruction", "evaluation": {"suites": []}}, []),
    ],
)
def test_what_is_measured(spec: Json, suites: list[str]) -> None:
    strangers = {"outOfScopeUri": "s3://bank/strangers.jsonl"} if spec.pop("outOfScope", False) else {}
    made = config(dataset={"uri": "s3://bank/x.jsonl"} | strangers, **spec)
    assert [str(suite) for suite in made.evaluation.suites] == suites


def test_what_comes_from_outside_the_job() -> None:
    parsed = FineTuneJobSpec.model_validate(job_owner(tracking={"wandb": {"project": "bank"}})["spec"])
    promoted, prices = ObjectRef(uri="s3://bank/now"), Prices(currency="EUR", cpu_hour=0.04, gpu_hour=2.5)
    made = run_config(parsed, Place(OWNER, 1, MODEL, "https://agent:8443", promoted, prices))
    assert (made.evaluation.promoted, made.prices) == (promoted, prices)
    assert made.tracking.wandb is not None and made.tracking.wandb.mode == "Offline"


def test_checkpoints_are_shared_by_the_attempts() -> None:
    made = config(output={"uri": "s3://bank/out/", "secretRef": {"name": "keys"}})
    assert made.checkpoints is not None
    assert made.checkpoints.uri == f"s3://bank/out/bank/card/{UID}/checkpoints"
    assert made.checkpoints.credentials == made.output.credentials


def test_places() -> None:
    made = config(output={"uri": "s3://bank/out/", "secretRef": {"name": "keys"}})
    assert made.output == ObjectRef(uri=f"s3://bank/out/bank/card/{UID}/2", credentials=names.secret_env_prefix("keys"))
    assert made.job.attempt == 2 and made.model == MODEL
    scratch = config(task="Pretraining", method="Full", model=SCRATCH)
    assert scratch.model is None and scratch.architecture is not None


@given(st.integers(1, 1000), st.floats(1e-8, 1))
def test_it_survives_the_way_into_the_pod(epochs: int, rate: float) -> None:
    made = config(training={"epochs": epochs, "learningRate": rate})
    assert RunConfig.model_validate_json(made.model_dump_json(by_alias=True)) == made
