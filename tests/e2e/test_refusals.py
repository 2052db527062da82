"""Bad input: the API server refuses what a schema can know, a condition names the field for the rest."""

import copy
import json
from typing import Any

import pytest

from tests.support import cluster
from tests.support.cluster import Json

import kube

SECONDS = 180
SCRATCH = {"family": "Llama", "hiddenSize": 64, "layers": 1, "heads": 2, "vocabularySize": 400, "contextLength": 64}


def scratch(name: str, uri: str, **spec: Any) -> Json:
    base: Json = {
        "task": "Pretraining",
        "method": "Full",
        "model": {"architecture": SCRATCH},
        "dataset": {"uri": uri, "format": "Alpaca", "secretRef": {"name": "s3"}},
        "training": {"maxSteps": 2, "batchSize": 2},
    }
    return cluster.finetune(name, **(base | spec))


def change(job: Json, path: str, value: Any) -> Json:
    """A copy with one field set, such as spec.lora.rank."""
    job = copy.deepcopy(job)
    *parents, last = path.split(".")
    target = job
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value
    return job


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("spec.learningrate", 1, "learningrate"),
        ("spec.training.optimiser", "adam", "optimiser"),
        ("spec.method", "Magic", "spec.method"),
        ("spec.task", "Singing", "spec.task"),
        ("spec.lora", {"rank": 8}, "lora goes with method LoRA or QLoRA"),
        ("spec.model.uri", "s3://banktuner/models/x", "exactly one of uri, fineTuneJob and architecture"),
        ("spec.dataset.uri", "ftp://example/x.csv", "spec.dataset.uri"),
        ("spec.dataset.uri", "s3://banktuner/../x.csv", "must not contain '..'"),
        ("spec.dataset.testUri", "", "spec.dataset.testUri"),
        ("spec.training.batchSize", 0, "spec.training.batchSize"),
        ("spec.training.epochs", 1, "epochs and maxSteps exclude each other"),
        ("spec.resources.memory", "lots", "spec.resources.memory"),
        ("spec.image", "evil", "image"),
        ("metadata.name", "x" * 41, "at most 40 characters"),
    ],
)
def test_api_server_refuses_and_names_the_field(namespace: str, path: str, value: Any, says: str) -> None:
    job = change(scratch("refused", "s3://banktuner/e2e/none.jsonl"), path, value)
    with pytest.raises(kube.KubectlError) as refusal:
        kube.apply(job, namespace)
    assert says in str(refusal.value)


def test_spec_is_immutable(namespace: str) -> None:
    job = scratch("immutable", "s3://banktuner/e2e/none.jsonl", suspend=True)
    kube.apply(job, namespace)
    with pytest.raises(kube.KubectlError, match="training is immutable"):
        kube.apply(change(job, "spec.training.maxSteps", 3), namespace)


BAD_DATA = {
    "missing": (None, "spec.dataset.uri"),
    "empty": (b"", "spec.dataset.uri"),
    "columns": (b'{"question": "a", "reply": "b"}\n', "instruction"),
    "row": (json.dumps({"instruction": "a", "input": "", "output": "b"}).encode() + b"\n{broken\n", "row 2"),
}


@pytest.fixture(scope="module")
def bad_data(namespace: str) -> None:
    """All four jobs at once, so that the wait is one wait."""
    for name, (content, _) in BAD_DATA.items():
        key = f"bad/{namespace}/{name}.jsonl"
        uri = cluster.put_bytes(key, content) if content is not None else f"s3://banktuner/e2e/{key}"
        kube.apply(scratch(f"bad-{name}", uri), namespace)


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_fails_and_says_where(namespace: str, bad_data: None, name: str) -> None:
    job = cluster.wait_finished(f"bad-{name}", namespace, SECONDS * len(BAD_DATA))
    failed = kube.condition(job, "Failed")
    assert failed["status"] == "True"
    assert "spec.dataset" in failed["message"] and BAD_DATA[name][1] in failed["message"], failed
    assert "reply" not in failed["message"], "a row's content must not be told"
    assert job["status"]["phase"] == "Failed"


def test_model_with_a_pickle_file_is_refused(namespace: str) -> None:
    prefix = f"bad/{namespace}/pickled"
    for file, content in {"config.json": b"{}", "model.safetensors": b"x", "pytorch_model.bin": b"x"}.items():
        cluster.put_bytes(f"{prefix}/{file}", content)
    uri = cluster.put_rows(f"bad/{namespace}/good.jsonl", [cluster.alpaca("a", "b")] * 4)
    job = scratch("pickled", uri, task="Instruction", method="LoRA")
    job["spec"]["model"] = {"uri": f"s3://banktuner/e2e/{prefix}", "secretRef": {"name": "s3"}}
    kube.apply(job, namespace)
    failed = kube.condition(cluster.wait_finished("pickled", namespace, SECONDS), "Failed")
    assert "spec.model.uri" in failed["message"] and "pytorch_model.bin" in failed["message"], failed


def test_missing_secret_is_named_and_waited_for(namespace: str) -> None:
    uri = cluster.put_rows(f"good/{namespace}/later.jsonl", [cluster.alpaca(f"question {i}", "b") for i in range(40)])
    job = scratch("no-secret", uri)
    job["spec"]["dataset"]["secretRef"] = {"name": "s3-later"}
    kube.apply(job, namespace)

    def told() -> str:
        running = kube.condition(kube.get("finetunejob", "no-secret", namespace), "Running")
        return running.get("message", "") if "s3-later" in running.get("message", "") else ""

    message = cluster.eventually(told, SECONDS, "a condition that names the Secret")
    assert "spec.dataset.secretRef" in message
    secret = kube.get("secret", "s3", namespace)
    assert secret
    later = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s3-later"}, "data": secret["data"]}
    kube.apply(later, namespace)
    cluster.wait_succeeded("no-secret", namespace)
