"""Every manifest of examples/methods in a real pod: what it leaves, what is measured, and how it can be served."""

import json
import os
from pathlib import Path
from typing import Any

import obstore
import pytest
import yaml

from examples.methods.prepare import prepare
from tests.support import cluster
from tests.support.cluster import Json

import kube

HERE = Path(__file__).resolve().parents[2] / "examples" / "methods"
ADAPTER = {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"}
MODEL = {"config.json", "model.safetensors", "tokenizer.json"}
GENERATION = {"perplexity", "bleu", "rouge_l", "exact_match", "train_loss", "trainable_parameters"}
EXPECTED: dict[str, tuple[str, set[str], set[str]]] = {
    "base": ("Merged", MODEL, {"perplexity", "train_loss"}),
    "lora": ("Adapter", ADAPTER | {"merged/model.safetensors", "gguf/model.gguf", "gguf/adapter.gguf"}, GENERATION),
    "qlora": ("Adapter", ADAPTER, GENERATION),
    "ia3": ("Merged", MODEL | {"adapter/adapter_model.safetensors"}, GENERATION),
    "prefix-tuning": ("NotServable", ADAPTER, GENERATION),
    "adapter": ("NotServable", ADAPTER, GENERATION),
    "full": ("Merged", MODEL, GENERATION),
    "classification": ("Classifier", {"onnx/classifier.onnx", "onnx/classifier.json"}, {"intent_accuracy"}),
}
"""By manifest: served as, files of the artifact among others, metrics among others."""


def bucket() -> str:
    return f"s3://{os.environ['BANKTUNER_BUCKET']}/"


def apply(name: str, namespace: str) -> None:
    kube.apply((HERE / f"{name}.yaml").read_text("utf-8").replace("s3://banktuner/", bucket()), namespace)


@pytest.fixture(scope="module")
def base(namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The finished job that the others start from."""
    folder = tmp_path_factory.mktemp("methods")
    prepare(folder)
    kube.upload(folder, "methods")
    apply("base", namespace)
    return cluster.wait_succeeded("methods-base", namespace, 900)


def artifact_files(job: Json) -> set[str]:
    key = job["status"]["artifact"]["uri"].removeprefix(bucket()).rstrip("/")
    manifest: Any = json.loads(bytes(obstore.get(kube.bucket(), f"{key}/manifest.json").bytes()))
    return {file["path"] for file in manifest["files"]}


@pytest.mark.timeout(1200)
def test_trackers_run_beside_the_trainer_and_one_that_is_away_costs_nothing(namespace: str, base: Json) -> None:
    """MLflow's address answers nobody; W&B leaves its run in the artifact, for later."""
    job = yaml.safe_load((HERE / "lora.yaml").read_text("utf-8").replace("s3://banktuner/", bucket()))
    job["metadata"]["name"] = "methods-tracked"
    job["spec"]["tracking"] = {"mlflow": {"uri": "http://127.0.0.1:9"}, "wandb": {"project": "bank"}}
    del job["spec"]["output"]["formats"]
    kube.apply(job, namespace)
    files = artifact_files(cluster.wait_succeeded("methods-tracked", namespace, 900))
    assert any(path.endswith(".wandb") for path in files), files
    assert any("tfevents" in path for path in files), files


def test_every_manifest_is_expected_to_leave_something() -> None:
    manifests = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in HERE.glob("*.yaml")}
    assert manifests.keys() == EXPECTED.keys()
    assert {one["spec"]["task"] for one in manifests.values()} == {"Pretraining", "Instruction", "Classification"}
    methods = {one["spec"]["method"] for one in manifests.values()}
    assert methods == {"LoRA", "QLoRA", "IA3", "PrefixTuning", "Adapter", "Full"}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_manifest_does_what_it_says(name: str, namespace: str, base: Json) -> None:
    if name == "base":
        job = base
    else:
        apply(name, namespace)
        job = cluster.wait_succeeded(f"methods-{name}", namespace, 900)
    served_as, files, metrics = EXPECTED[name]
    assert job["status"]["artifact"]["servedAs"] == served_as
    assert files <= artifact_files(job)
    measured = {entry["name"]: entry for entry in job["status"]["evaluation"]["metrics"]}
    assert metrics <= measured.keys()
    assert all(float(measured[metric]["value"]) >= 0 for metric in metrics)
    if job["spec"]["task"] == "Instruction":
        assert "baseline" in measured["perplexity"], "the base model's number stands beside"
