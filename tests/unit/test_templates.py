"""Job templates to copy: each is what the API takes, with its choices spelled out, and the table has them all."""

import re
from pathlib import Path

import pytest
import yaml

from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import FineTuneJobSpec, Task

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "templates"
TEMPLATES = sorted(FOLDER.rglob("*.yaml"))
MODELS = {"TinyLlama-1.1B", "Llama-2-7b", "Meta-Llama-3-8B", "Mistral-7B", "Phi-3-mini"}


def spec(path: Path) -> FineTuneJobSpec:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert (document["apiVersion"], document["kind"]) == ("banktuner.dev/v1alpha1", "FineTuneJob")
    return FineTuneJobSpec.model_validate(document["spec"])


def specs(folder: str) -> list[FineTuneJobSpec]:
    return [spec(path) for path in TEMPLATES if path.parent.name == folder]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_template_says_what_matters(path: Path) -> None:
    job = spec(path)
    training = job.training
    assert (training.epochs or training.max_steps) and training.batch_size
    assert training.learning_rate and training.max_length
    assert re.search(r"GPU of \d+ GB|CPU cores", path.read_text(encoding="utf-8"))
    assert bool(job.resources.gpus) == ("GPU of" in path.read_text(encoding="utf-8"))


def test_each_method_task_and_model_has_a_template() -> None:
    assert {job.method for job in specs("methods")} == set(Method)
    assert {job.task for job in specs("tasks")} == set(Task)
    uris = [job.model.uri or "" for job in specs("models")]
    assert len(uris) == len(MODELS)
    assert all(any(name in uri for uri in uris) for name in MODELS)


def test_models_have_the_settings_of_the_field() -> None:
    for job in specs("models"):
        training = job.training
        assert (training.epochs, training.scheduler, training.warmup_steps) == (3, "Cosine", 100)
        assert (training.batch_size or 0) * training.gradient_accumulation_steps == 16
        assert training.learning_rate == 2e-4
        assert job.lora and job.lora.alpha == 2 * job.lora.rank


def test_the_assistant_is_as_it_was_asked_for() -> None:
    job = spec(FOLDER / "banking-assistant.yaml")
    assert job.method is Method.QLORA and job.lora and job.quantization
    assert job.lora.rank == 32 and job.lora.target_modules == ["q_proj", "k_proj", "v_proj", "o_proj"]
    assert job.training.epochs == 3 and job.training.scheduler == "Cosine" and job.training.gradient_checkpointing
    assert job.quantization.type == "nf4"


def test_the_table_names_every_template_with_its_hardware() -> None:
    rows = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\]\(([a-z0-9/.-]+\.yaml)\)", rows))
    assert named == {str(path.relative_to(FOLDER)) for path in TEMPLATES}
    for path in TEMPLATES:
        [row] = [row for row in rows.splitlines() if f"({path.relative_to(FOLDER)})" in row]
        hardware = row.split("|")[-2].strip()
        text = " ".join(path.read_text(encoding="utf-8").replace("# ", "").split())
        assert hardware.replace("2 CPU", "Two CPU").removeprefix("GPU") in text, path.name
