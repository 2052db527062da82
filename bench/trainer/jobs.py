"""Runs whole training jobs as their pod does, from a FineTuneJob's spec; only the object store is left out."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from banktuner_api.finetunejob_spec import FineTuneJobSpec
from banktuner_api.finetunejob_status import ArtifactStatus
from banktuner_api.handshake import (
    ARTIFACT,
    COMMITTED,
    STAGED,
    ArtifactRequest,
    Result,
    Staged,
    StagedFile,
    write_control,
)
from banktuner_api.names import RUN_CONFIG_KEY
from banktuner_api.run_config import ObjectRef, RunConfig
from banktuner_operator.manifests.metadata import Owner
from banktuner_operator.plan.run_config import Place, run_config
from bench.places import ROOT

POLL_SECONDS = 0.5
NO_DIGEST = "sha256:" + "0" * 64


@dataclass(frozen=True)
class Files:
    """What `stage` would bring; no model where one is made from scratch."""

    model: Path | None
    train: Path
    test: Path | None = None
    out_of_scope: Path | None = None


@dataclass(frozen=True)
class Done:
    """A finished job: its artifact's folder, its metrics, and the seconds from start to commit."""

    folder: Path
    metrics: dict[str, float]
    seconds: float


def run_job(root: Path, spec: dict[str, Any], files: Files) -> Done:
    """Run one attempt in a process of its own, in an empty folder `root`. Raises RuntimeError where it fails."""
    started = time.monotonic()
    trainer, run = start_job(root, spec, files)
    control = root / "work" / "control"
    while trainer.poll() is None:
        if (control / ARTIFACT).exists() and not (control / COMMITTED).exists():
            _commit(control, run)
        time.sleep(POLL_SECONDS)
    ending = json.loads((root / "termination-log").read_text(encoding="utf-8"))
    if trainer.returncode:
        raise RuntimeError(f"the job failed: {ending['reason']}: {ending['message']}")
    metrics = {one["name"]: float(one["value"]) for one in ending["metrics"]}
    return Done(root / "work" / "output", metrics, time.monotonic() - started)


def start_job(
    root: Path, spec: dict[str, Any], files: Files, output: int | None = None
) -> tuple[subprocess.Popen[str], RunConfig]:
    """Start one attempt in an empty folder `root`: its process, and its run.json. `output`: as subprocess has it."""
    shutil.rmtree(root, ignore_errors=True)
    run = configured(spec)
    _stage(root, run, files)
    environment = {
        "BANKTUNER_CONFIG_DIR": str(root / "etc"),
        "BANKTUNER_WORK_DIR": str(root / "work"),
        "BANKTUNER_TERMINATION_LOG": str(root / "termination-log"),
        "BANKTUNER_TOKEN_FILE": str(root / "token"),
        "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer_image'}",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "banktuner_trainer"]
    return subprocess.Popen(command, env=os.environ | environment, stdout=output, text=True), run


def configured(spec: dict[str, Any]) -> RunConfig:
    """run.json as the operator makes it, every default included."""
    whole = FineTuneJobSpec.model_validate(spec)
    owner = Owner(kind="FineTuneJob", namespace="bench", name="bench", uid="bench")
    model = ObjectRef(uri=whole.model.uri) if whole.model.uri else None
    return run_config(whole, Place(owner, attempt=1, model=model, agent_url="https://127.0.0.1:9"))


def _stage(root: Path, run: RunConfig, files: Files) -> None:
    config = root / "etc" / RUN_CONFIG_KEY
    config.parent.mkdir(parents=True)
    config.write_text(json.dumps(run.to_json()), encoding="utf-8")
    staged = Staged(
        model_digest=NO_DIGEST,
        train=_described(files.train),
        test=_described(files.test) if files.test else None,
        out_of_scope=_described(files.out_of_scope) if files.out_of_scope else None,
    )
    write_control(root / "work" / "control", STAGED, staged)
    if files.model is not None:
        (root / "work" / "model").symlink_to(files.model, target_is_directory=True)


def _described(path: Path) -> StagedFile:
    content = path.read_bytes()
    return StagedFile(path=str(path), sha256=sha256(content).hexdigest(), size_bytes=len(content))


def _commit(control: Path, run: RunConfig) -> None:
    """What `publish` answers when everything is stored."""
    request = ArtifactRequest.model_validate_json((control / ARTIFACT).read_bytes())
    artifact = ArtifactStatus(
        uri=run.output.uri,
        digest=NO_DIGEST,
        size_bytes=1,
        task=request.task,
        method=request.method,
        rank=request.rank,
        model_digest=NO_DIGEST,
        served_as=request.served_as,
    )
    write_control(control, COMMITTED, Result(artifact=artifact, metrics=request.metrics))
