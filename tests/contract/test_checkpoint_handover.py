"""The real trainer, stager and S3 server: a pod told to stop hands its checkpoint over, and the next pod goes on."""

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_data import Architecture, Format
from banktuner_api.finetunejob_methods import Method
from banktuner_api.finetunejob_spec import Task
from banktuner_api.handshake import Result, Staged
from banktuner_api.run_config import DatasetInput, JobIdentity
from tests.contract.harness import REPOSITORY, Pod, S3Server
from tests.contract.test_stager_jobs import PREFIX, TRAINING, run_config, uri

TRAINER = REPOSITORY / ".venv-trainer" / "bin" / "python"
ROWS = [{"instruction": f"question {n}", "input": "", "output": f"answer {n % 7}"} for n in range(64)]
TINY = Architecture(hidden_size=32, layers=1, heads=2, vocabulary_size=320, context_length=32)


def pod_of(pods: Any, s3: S3Server, uid: str, attempt: int) -> Pod:
    """A staged pod of one attempt of a Pretraining job."""
    pod = pods(f"{uid}-{attempt}", s3.secret(PREFIX))
    config = run_config(
        job=JobIdentity(namespace="bank", name="job", uid=uid, attempt=attempt),
        task=Task.PRETRAINING,
        method=Method.FULL,
        model=None,
        architecture=TINY,
        dataset=DatasetInput(train=uri("data/rows.jsonl"), format=Format.ALPACA),
        training=TRAINING.model_copy(
            update={"max_steps": 1500, "batch_size": 4, "max_length": 32, "precision": "FP32"}
        ),
        output=uri(f"out/{uid}/{attempt}"),
        checkpoints=uri(f"out/{uid}/checkpoints"),
    )
    (pod.config / "run.json").write_text(json.dumps(config.to_json()))
    assert pod.run("stage") == 0, pod.log.read_text()
    return pod


def trainer(pod: Pod) -> "subprocess.Popen[str]":
    """The trainer's container, in the same folders as the stager's."""
    assert TRAINER.exists(), "the trainer has no environment yet: run `make test-trainer`"
    places = {
        "CONFIG_DIR": pod.config,
        "WORK_DIR": pod.work,
        "TERMINATION_LOG": pod.termination_log,
        "TOKEN_FILE": pod.root / "token",
    }
    environment = {f"BANKTUNER_{name}": str(path) for name, path in places.items()}
    paths = {"PYTHONPATH": f"{REPOSITORY / 'operator'}:{REPOSITORY / 'trainer_image'}", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(
        [TRAINER, "-m", "banktuner_trainer"],
        env=os.environ | environment | paths | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    pod.processes.append(process)
    return process


def run_to_the_end(pod: Pod) -> Result:
    publisher, process = pod.start("publish"), trainer(pod)
    output = process.communicate(timeout=900)[0]
    assert process.returncode == 0, output[-3000:]
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(10) == 0
    return Result.model_validate_json(pod.termination_log.read_bytes())


@pytest.mark.timeout(3000)
def test_a_stopped_pod_is_gone_on_with(s3: S3Server, pods: Any, tmp_path: Path) -> None:
    s3.upload("data", {"rows.jsonl": "".join(json.dumps(row) + "\n" for row in ROWS).encode()})
    calm = run_to_the_end(pod_of(pods, s3, "calm", 1))

    first = pod_of(pods, s3, "stopped", 1)
    publisher, process = first.start("publish"), trainer(first)
    assert process.stdout is not None
    seen = next(line for line in process.stdout if " step 10" in line)
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(120) == ExitCode.INTERRUPTED, seen + rest
    assert " is stored" in rest
    publisher.send_signal(signal.SIGTERM)
    assert publisher.wait(10) == 0

    second = pod_of(pods, s3, "stopped", 2)
    staged = Staged.model_validate_json((second.control / "staged.json").read_bytes())
    assert staged.checkpoint is not None and 100 <= staged.checkpoint.step < 1500
    result = run_to_the_end(second)
    assert result.artifact.model_digest == calm.artifact.model_digest
    losses = [next(one.value for one in made.metrics if one.name == "train_loss") for made in (calm, result)]
    assert losses[0] == losses[1]
    assert s3.keys("out/stopped/checkpoints") == [] and s3.keys("out/stopped/1") == []
