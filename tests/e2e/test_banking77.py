"""A LoRA classifier on Banking77 in a real pod: the intent accuracy reaches status, the artifact the bucket."""

import json
import os
from pathlib import Path

import obstore
import pytest

from banktuner_api.manifest import sha256_digest
from tests.support import cluster

import kube

pytestmark = pytest.mark.timeout(1800)  # the time of a fixture counts
DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "banking77"


@pytest.fixture(scope="module")
def job(namespace: str) -> cluster.Json:
    """The finished job."""
    if not DATA.is_dir():
        pytest.skip("Banking77 does not lie at ../shared/data/banking77")
    train = cluster.put_bytes("banking77/train.csv", (DATA / "train.csv").read_bytes())
    test = cluster.put_bytes("banking77/test.csv", (DATA / "test.csv").read_bytes())
    bucket = os.environ["BANKTUNER_BUCKET"]
    spec = {
        "task": "Classification",
        "method": "LoRA",
        "model": {"uri": f"s3://{bucket}/models/all-MiniLM-L6-v2", "secretRef": {"name": "s3"}},
        "dataset": {"uri": train, "testUri": test, "format": "TextLabel", "secretRef": {"name": "s3"}},
        "lora": {"rank": 16, "alpha": 32, "targetModules": ["all-linear"]},
        "training": {"epochs": 1, "maxLength": 64},
        "evaluation": {"thresholds": [{"metric": "intent_accuracy", "atLeast": 0.88}]},
    }
    resources = {"cpu": "2", "memory": "5Gi"}
    kube.apply(cluster.finetune("banking77", resources=resources, **spec), namespace)
    return cluster.wait_succeeded("banking77", namespace, 1500)


def test_accuracy_is_in_status(job: cluster.Json) -> None:
    metrics = {entry["name"]: float(entry["value"]) for entry in job["status"]["evaluation"]["metrics"]}
    assert metrics["intent_accuracy"] >= 0.88
    assert job["status"]["evaluation"]["passed"] is True
    assert kube.condition(job, "EvaluationPassed")["status"] == "True"
    assert job["status"]["trainerStatus"]["progressPercentage"] == 100


def test_artifact_is_committed_and_its_digest_holds(job: cluster.Json) -> None:
    artifact = job["status"]["artifact"]
    key = artifact["uri"].removeprefix(f"s3://{os.environ['BANKTUNER_BUCKET']}/").rstrip("/")
    store = kube.bucket()
    manifest = bytes(obstore.get(store, f"{key}/manifest.json").bytes())
    marker = json.loads(bytes(obstore.get(store, f"{key}/COMMITTED").bytes()))
    assert sha256_digest(manifest) == artifact["digest"] == marker["digest"]
    assert artifact["servedAs"] == "Classifier"
    files = json.loads(manifest)["files"]
    expected = {"adapter_model.safetensors", "onnx/classifier.onnx", "report/result.json", "report/confusion.png"}
    assert expected <= {file["path"] for file in files}
    for file in files:
        content = bytes(obstore.get(store, f"{key}/{file['path']}").bytes())
        assert sha256_digest(content) == f"sha256:{file['sha256']}", file["path"]
