"""Runs attempts in a folder of their own: run.json, staged files, and a thread in the place of `publish`."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from banktuner_api.finetunejob_status import ArtifactStatus
from banktuner_api.handshake import (
    ARTIFACT,
    COMMITTED,
    PUBLISH_FAILURE,
    STAGED,
    ArtifactRequest,
    Failure,
    Result,
    Staged,
    StagedFile,
    write_control,
)
from banktuner_api.run_config import RunConfig

ROOT = Path(__file__).resolve().parents[2]
DIGEST = "sha256:" + "0" * 64
TRAINING = {
    "epochs": 1,
    "batchSize": 8,
    "gradientAccumulationSteps": 1,
    "learningRate": 0.003,
    "scheduler": "Cosine",
    "warmupSteps": 0.1,
    "maxLength": 128,
    "packing": False,
    "gradientCheckpointing": False,
    "precision": "FP32",
    "seed": 7,
}


def run_config(task: str, method: str, **changes: Any) -> RunConfig:
    """A complete run.json; `changes` replace whole fields, but for `training`, which is merged."""
    training = TRAINING | changes.pop("training", {})
    content = {
        "job": {"namespace": "bank", "name": "job", "uid": "u-1", "attempt": 1},
        "task": task,
        "method": method,
        "model": None if task == "Pretraining" else {"uri": "s3://bank/models/base"},
        "dataset": {"train": {"uri": "s3://bank/train.jsonl"}, "format": "Alpaca"},
        "training": training,
        "evaluation": {"suites": ["Intent" if task == "Classification" else "Perplexity"]},
        "output": {"uri": "s3://bank/out/bank/job/u-1/1/"},
        "agentUrl": "https://127.0.0.1:9",
    }
    return RunConfig.model_validate(content | changes)


def staged_file(path: Path) -> StagedFile:
    """A data file as `stage` tells of it."""
    content = path.read_bytes()
    return StagedFile(path=str(path), sha256=sha256(content).hexdigest(), size_bytes=len(content))


def write_jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    """One object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass
class Pod:
    """The folders of one attempt under `root`."""

    root: Path
    requests: list[ArtifactRequest] = field(default_factory=list)

    @property
    def work(self) -> Path:
        """/work"""
        return self.root / "work"

    @property
    def control(self) -> Path:
        """/work/control"""
        return self.work / "control"

    @property
    def output(self) -> Path:
        """/work/output"""
        return self.work / "output"

    def environment(self) -> dict[str, str]:
        """Where the trainer finds everything."""
        return {
            "BANKTUNER_CONFIG_DIR": str(self.root / "etc"),
            "BANKTUNER_WORK_DIR": str(self.work),
            "BANKTUNER_TERMINATION_LOG": str(self.root / "termination-log"),
            "BANKTUNER_TOKEN_FILE": str(self.root / "token"),
            "HF_HUB_OFFLINE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer_image'}",
        }

    def configure(self, run: RunConfig) -> None:
        """What the ConfigMap brings."""
        config = self.root / "etc" / "run.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(run.to_json()), encoding="utf-8")

    def stage(
        self,
        run: RunConfig,
        train: Path,
        test: Path | None = None,
        model: Path | None = None,
        out_of_scope: Path | None = None,
    ) -> None:
        """What the ConfigMap and the `stage` container bring."""
        self.configure(run)
        staged = Staged(
            model_digest=DIGEST if model else None,
            train=staged_file(train),
            test=staged_file(test) if test else None,
            out_of_scope=staged_file(out_of_scope) if out_of_scope else None,
        )
        write_control(self.control, STAGED, staged)
        if model is not None:
            (self.work / "model").symlink_to(model, target_is_directory=True)

    def answer_requests(self, run: RunConfig, failure: Failure | None = None) -> threading.Thread:
        """Commit (or refuse) the first request in place of the `publish` container; ends after 300 s without one."""

        def answer() -> None:
            path = self.control / ARTIFACT
            deadline = time.monotonic() + 300
            while not path.exists() and time.monotonic() < deadline:
                time.sleep(0.05)
            if not path.exists():
                return
            request = ArtifactRequest.model_validate_json(path.read_bytes())
            self.requests.append(request)
            if failure is not None:
                write_control(self.control, PUBLISH_FAILURE, failure)
                return
            status = ArtifactStatus(
                uri=run.output.uri,
                digest=DIGEST,
                size_bytes=sum(file.stat().st_size for file in self.output.rglob("*") if file.is_file()),
                task=request.task,
                method=request.method,
                rank=request.rank,
                model_digest=DIGEST,
                served_as=request.served_as,
            )
            write_control(self.control, COMMITTED, Result(artifact=status, metrics=request.metrics))

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        return thread

    def start(self) -> subprocess.Popen[str]:
        """The trainer as its container starts it."""
        return subprocess.Popen(
            [sys.executable, "-m", "banktuner_trainer"],
            env=os.environ | self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def termination(self) -> dict[str, Any]:
        """The termination message."""
        content: dict[str, Any] = json.loads((self.root / "termination-log").read_text(encoding="utf-8"))
        return content
