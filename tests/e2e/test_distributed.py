"""Two pods train one model over gloo; where one is told to stop both save, and the next attempt goes on from there."""

import json

import pytest

from tests.support import cluster
from tests.support.cluster import Json

import kube

ARCHITECTURE = {"hiddenSize": 64, "layers": 2, "heads": 2, "vocabularySize": 500, "contextLength": 128}
SELECTOR = "app.kubernetes.io/component=training,app.kubernetes.io/instance={name}"
INDEX = "batch.kubernetes.io/job-completion-index"


def job(name: str, namespace: str, **training: object) -> Json:
    """A FineTuneJob of two pods."""
    rows = [cluster.alpaca(f"What is the fee of card {index}?", f"It is {index % 7} dollars.") for index in range(256)]
    uri = cluster.put_rows(f"distributed/{namespace}/{name}.jsonl", rows)
    return cluster.finetune(
        name,
        task="Pretraining",
        method="Full",
        nodes=2,
        model={"architecture": ARCHITECTURE},
        dataset={"uri": uri, "format": "Alpaca", "secretRef": {"name": "s3"}},
        training={"batchSize": 8, "learningRate": 0.003, "maxLength": 64, "seed": 7} | training,
        evaluation={"suites": ["Perplexity"], "compareWith": "None"},
        resources={"cpu": "1", "memory": "2Gi"},
        backoffLimit=2,
    )


def pods(name: str, namespace: str) -> list[Json]:
    found = kube.kubectl("get", "pods", "-n", namespace, "-l", SELECTOR.format(name=name), "-o", "json")
    return list(json.loads(found)["items"])


@pytest.mark.timeout(1200)
def test_two_pods_train_one_model(namespace: str) -> None:
    kube.apply(job("together", namespace, maxSteps=30), namespace)
    done = cluster.wait_succeeded("together", namespace, 900)
    assert done["status"]["attempts"] == 1
    both = {pod["metadata"]["labels"][INDEX]: pod for pod in pods("together", namespace)}
    assert set(both) == {"0", "1"}
    assert {pod["status"]["phase"] for pod in both.values()} == {"Succeeded"}
    logs = {
        index: kube.kubectl("logs", "-n", namespace, pod["metadata"]["name"], "-c", "trainer")
        for index, pod in both.items()
    }
    assert "process 1 of 2" in logs["0"] and "committed: s3://" in logs["0"]
    assert "process 2 of 2" in logs["1"] and "step 30/30" in logs["1"] and "committed: s3://" not in logs["1"]
    assert float(done["status"]["evaluation"]["metrics"][0]["value"]) > 0
    services = kube.kubectl("get", "services", "-n", namespace, "-o", "jsonpath={.items[*].spec.clusterIP}")
    assert services == "None"


@pytest.mark.timeout(1800)
def test_one_pod_that_is_told_to_stop_costs_an_attempt_and_no_more(namespace: str) -> None:
    kube.apply(job("lossy", namespace, maxSteps=400), namespace)

    def trains() -> bool:
        return "step 8/" in logs_of("lossy", namespace, "1")

    cluster.eventually(trains, 600, "both pods train")
    second = next(pod for pod in pods("lossy", namespace) if pod["metadata"]["labels"][INDEX] == "1")
    name = second["metadata"]["name"]
    kube.kubectl("exec", "-n", namespace, name, "-c", "trainer", "--", "python", "-c", "import os; os.kill(1, 15)")
    done = cluster.wait_succeeded("lossy", namespace, 1200)
    assert done["status"]["attempts"] == 2
    resumed = logs_of("lossy", namespace, "1")
    assert "goes on from the checkpoint of step" in resumed


def logs_of(name: str, namespace: str, index: str) -> str:
    """The trainer's log of the newest pod of an index, empty while there is none."""
    mine = [pod for pod in pods(name, namespace) if pod["metadata"]["labels"].get(INDEX) == index]
    newest = max(mine, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)
    if newest is None:
        return ""
    try:
        return kube.kubectl("logs", "-n", namespace, newest["metadata"]["name"], "-c", "trainer")
    except kube.KubectlError:
        return ""
