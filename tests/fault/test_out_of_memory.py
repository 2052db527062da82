"""A trainer that the kernel ends for its memory: the job fails once, with the numbers to change."""

import pytest

from tests.support import cluster

import kube

pytestmark = pytest.mark.timeout(900)
ROWS = 1_000_000
"""As Python objects more than the limit holds; the estimate before the start is of the model alone, which is small."""
ARCHITECTURE = {"hiddenSize": 64, "layers": 2, "heads": 2, "vocabularySize": 400, "contextLength": 64}


def test_a_trainer_over_its_memory_limit_fails_with_advice_and_is_not_tried_again(namespace: str) -> None:
    line = b'{"instruction": "question number %07d", "input": "", "output": "answer %07d"}\n'
    uri = cluster.put_bytes(f"fault/{namespace}/many.jsonl", b"".join(line % (n, n) for n in range(ROWS)))
    job = cluster.finetune(
        "large",
        task="Pretraining",
        method="Full",
        model={"architecture": ARCHITECTURE},
        dataset={"uri": uri, "format": "Alpaca", "secretRef": {"name": "s3"}},
        training={"maxSteps": 5, "batchSize": 8, "maxLength": 64},
        resources={"cpu": "1", "memory": "1280Mi"},
        backoffLimit=2,
    )
    kube.apply(job, namespace)
    ended = cluster.wait_finished("large", namespace, 600)
    failed = kube.condition(ended, "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "OutOfMemory"), failed
    assert "needed more memory than its limit of 1280Mi" in failed["message"]
    assert "spec.resources.memory" in failed["message"]
    assert ended["status"]["attempts"] == 1
