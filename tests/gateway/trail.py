"""The audit trail of a gateway in a test: made ready, read, verified by the real command."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

KEY = "0123456789abcdef0123456789abcdef"
VOLUME = {"sink": "Volume", "claimName": "audit", "keySecretRef": {"name": "audit-key"}}


def make_trail(files: Path) -> Path:
    """Key and folder among a pod's files."""
    (files / "secrets" / "audit").mkdir(parents=True)
    (files / "secrets" / "audit" / "key").write_text(KEY)
    (files / "audit").mkdir(exist_ok=True)
    return files


def records(files: Path) -> list[dict[str, Any]]:
    lines = [line for file in sorted((files / "audit").rglob("*.jsonl")) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def decisions(files: Path) -> list[dict[str, Any]]:
    told = ("decision", "stream_started", "stream_ended")
    return [one["data"] | {"event": one["event"]} for one in records(files) if one["event"] in told]


def verify(files: Path, *options: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "banktuner_gateway.audit", "verify", str(files / "audit")]
    key = ["--key-file", str(files / "secrets" / "audit" / "key")]
    return subprocess.run([*command, *key, *map(str, options)], capture_output=True, text=True, timeout=300)
