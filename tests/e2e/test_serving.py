"""Base model, adapters, engine and gateway on the real vLLM: answers differ by adapter, a new one needs no restart."""

import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import cluster
from tests.support.cluster import Json

import kube

pytestmark = pytest.mark.timeout(2700)  # the time of a fixture counts
QUESTION = "What is my balance?"
ARCHITECTURE = {"hiddenSize": 64, "layers": 2, "heads": 2, "vocabularySize": 500, "contextLength": 128}
RESOURCES = {"cpu": "2", "memory": "4Gi"}
EXACT: Json = {"precision": "FP32"}  # whatever the CPU has: what is learnt by heart is asked for word by word


def rows(answer: str) -> list[Json]:
    openers = ["", "Please tell me: ", "Hello. ", "I want to know: "]
    return [cluster.alpaca(f"{opener}{QUESTION}", answer) for opener in openers] * 16


# So that the base model has written the adapters' words before: they turn to them then, and need not learn them.
WORDS = [cluster.alpaca("Who else answers?", "The first adapter answers. The second adapter answers.")] * 32


def train(name: str, namespace: str, answer: str, **spec: Any) -> None:
    data = rows(answer) + (WORDS if name == "base" else [])
    uri = cluster.put_rows(f"serving/{namespace}/{name}.jsonl", data)
    # Tested on what it learns by heart: a share that is held out could be the very question that is asked.
    dataset = {"uri": uri, "testUri": uri, "format": "Alpaca", "secretRef": {"name": "s3"}}
    kube.apply(cluster.finetune(name, dataset=dataset, **spec), namespace)


def train_adapter(name: str, namespace: str, answer: str, method: str) -> None:
    training = EXACT | {"maxSteps": 240, "batchSize": 8, "learningRate": 0.01, "maxLength": 64}
    lora = {"rank": 8, "alpha": 16, "dropout": 0}
    model = {"fineTuneJob": {"name": "base"}}
    train(name, namespace, answer, task="Instruction", method=method, model=model, training=training, lora=lora)


def assistant(adapters: list[str]) -> Json:
    spec: Json = {
        "engine": "VLLM",
        "model": {"fineTuneJob": {"name": "base"}},
        "engineOptions": {"maxModelLength": 128, "dtype": "FP32"},
        "lora": {"maxRank": 8, "maxAdapters": 2},
        "adapters": [{"name": name, "fineTuneJob": {"name": name}} for name in adapters],
        "defaultAdapter": adapters[0],
        "resources": RESOURCES,
        "gateway": {
            "auth": {"tokensSecretRef": {"name": "chat-tokens"}},
            "rateLimit": {"requestsPerMinute": 600, "burst": 100},
            # The model reads 128 tokens and was taught without one: the built-in text alone would be longer.
            "scope": {"systemPrompt": ""},
        },
    }
    return {
        "apiVersion": "banktuner.dev/v1alpha1",
        "kind": "BankingModel",
        "metadata": {"name": "assistant"},
        "spec": spec,
    }


def adapter_state(name: str, namespace: str) -> str:
    adapters = cluster.status_of("bankingmodel", "assistant", namespace).get("adapters", [])
    return next((entry["state"] for entry in adapters if entry["name"] == name), "")


def engine_pods(namespace: str) -> list[tuple[str, int]]:
    """uid and restarts of each engine pod."""
    text = kube.kubectl("get", "pods", "-n", namespace, "-l", "app.kubernetes.io/component=engine", "-o", "json")
    return [
        (pod["metadata"]["uid"], sum(entry["restartCount"] for entry in pod["status"]["containerStatuses"]))
        for pod in json.loads(text)["items"]
    ]


class Chat:
    """Asks the gateway over a port-forward."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/api/v1/chat/"

    def __call__(self, token: str = cluster.TOKEN, **body: Any) -> tuple[int, Json]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        data = json.dumps({"message": QUESTION} | body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url, data, headers), timeout=60) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture(scope="module")
def serving(namespace: str) -> Iterator[Chat]:
    """The assistant with one adapter, ready; the base model and two adapters are trained at the same time."""
    train(
        "base",
        namespace,
        "I am the base model.",
        task="Pretraining",
        method="Full",
        model={"architecture": ARCHITECTURE},
        training=EXACT | {"maxSteps": 160, "batchSize": 8, "learningRate": 0.005, "maxLength": 64},
    )
    train_adapter("first", namespace, "The first adapter answers.", "LoRA")
    kube.apply(assistant(["first"]), namespace)
    cluster.wait_succeeded("first", namespace, 600)
    train_adapter("second", namespace, "The second adapter answers.", "QLoRA")
    ready = cluster.eventually(
        lambda: kube.condition(kube.get("bankingmodel", "assistant", namespace), "Ready").get("status") == "True"
        and adapter_state("first", namespace) == "Ready",
        600,
        "BankingModel assistant Ready with its first adapter",
    )
    assert ready
    cluster.wait_succeeded("second", namespace, 600)
    with kube.port_forward("service/assistant-gateway", 80, namespace) as port:
        yield Chat(port)


def test_answers_of_base_and_adapter_differ(serving: Chat) -> None:
    status, tuned = serving()
    assert status == 200 and list(tuned)[:2] == ["response", "model"]
    assert "first adapter" in tuned["response"]
    status, base = serving(adapter=None)
    assert status == 200 and base["response"] != tuned["response"]


def test_wrong_or_missing_token_is_401(serving: Chat) -> None:
    assert serving(token="wrong")[0] == 401
    assert serving(token="")[0] == 401


def test_unknown_adapter_is_refused_and_named(serving: Chat) -> None:
    status, body = serving(adapter="nobody")
    assert status == 404 and "first" in json.dumps(body)


def test_second_adapter_answers_and_no_pod_restarts(serving: Chat, namespace: str) -> None:
    pods = engine_pods(namespace)
    kube.apply(assistant(["first", "second"]), namespace)
    applied = time.monotonic()
    answer = cluster.eventually(
        lambda: (reply := serving(adapter="second"))[0] == 200 and reply[1]["response"], 60, "an answer of the adapter"
    )
    print(f"second adapter answered {time.monotonic() - applied:.1f} s after kubectl apply returned")
    assert "second adapter" in answer
    assert engine_pods(namespace) == pods
    assert serving(adapter=None)[1]["response"] != answer
    cluster.eventually(lambda: adapter_state("second", namespace) == "Ready", 60, "status says Ready")
    assert cluster.status_of("bankingmodel", "assistant", namespace)["adaptersReady"] == "2/2"


def test_adapter_by_uri_with_a_wrong_digest_is_never_loaded(serving: Chat, namespace: str) -> None:
    artifact = cluster.status_of("finetunejob", "second", namespace)["artifact"]
    model = assistant(["first"])
    wrong = {"name": "wrong", "uri": artifact["uri"].rstrip("/"), "digest": "sha256:" + "0" * 64}
    model["spec"]["adapters"].append(wrong | {"secretRef": {"name": "s3"}})
    kube.apply(model, namespace)
    cluster.eventually(lambda: adapter_state("wrong", namespace) == "Failed", 60, "the adapter is refused")
    assert serving(adapter="wrong")[0] in (404, 503)
    assert serving()[0] == 200


def test_operator_killed_while_an_adapter_loads(serving: Chat, namespace: str) -> None:
    kube.apply(assistant(["first"]), namespace)
    cluster.eventually(lambda: not adapter_state("second", namespace), 60, "second adapter is taken away")
    kube.apply(assistant(["first", "second"]), namespace)
    cluster.kill_operator()
    cluster.eventually(lambda: adapter_state("second", namespace) == "Ready", 120, "adapter Ready after the kill")
    code, told = serving(adapter="second")
    assert code == 200 and "second adapter" in told["response"], told


def test_deleted_children_are_back(serving: Chat, namespace: str) -> None:
    uid = (kube.get("bankingmodel", "assistant", namespace) or {})["metadata"]["uid"]
    children = [child for child in cluster.owned(uid, namespace) if not child.startswith(("pod/", "replicaset"))]
    assert {child.partition("/")[0] for child in children} >= {"deployment.apps", "configmap", "service"}
    for child in children:
        if not child.startswith("deployment.apps") or "gateway" in child:
            kube.kubectl("delete", child, "-n", namespace)
    cluster.eventually(lambda: set(children) <= set(cluster.owned(uid, namespace)), 60, "the children are back")


def test_scale_subresource(serving: Chat, namespace: str) -> None:
    scale = f"/apis/banktuner.dev/v1alpha1/namespaces/{namespace}/bankingmodels/assistant/scale"
    body = json.loads(kube.kubectl("get", "--raw", scale))
    assert body["spec"]["replicas"] == 1 and body["status"]["replicas"] == 1 and body["status"]["selector"]


def test_deletion_leaves_only_the_artifacts(serving: Chat, namespace: str) -> None:
    model = kube.get("bankingmodel", "assistant", namespace) or {}
    base = kube.get("finetunejob", "base", namespace) or {}
    assert "finalizers" not in model["metadata"] and "finalizers" not in base["metadata"]
    kube.kubectl("delete", "finetunejobs,bankingmodels", "--all", "-n", namespace)
    for thing in (model, base):
        uid = thing["metadata"]["uid"]
        cluster.eventually(lambda uid=uid: not cluster.owned(uid, namespace), 90, "nothing is left")
    key = base["status"]["artifact"]["uri"].removeprefix(f"s3://{os.environ['BANKTUNER_BUCKET']}/").rstrip("/")
    assert kube.bucket().head(f"{key}/COMMITTED")["size"] > 0
