"""Peers in environments of their own, made where they are not there yet."""

import subprocess
from pathlib import Path

from bench.places import ROOT, SCRATCH

LOCK = ROOT / "requirements" / "litellm.txt"
UV = ROOT / ".venv" / "bin" / "uv"


def litellm_python() -> Path:
    """The Python of an environment with LiteLLM's proxy as locked."""
    environment = SCRATCH / "venv-litellm"
    python = environment / "bin" / "python"
    stamp = environment / LOCK.name
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        subprocess.run([UV, "venv", "--quiet", "--python", "3.11", "--clear", environment], check=True)
        subprocess.run([UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", LOCK], check=True)
        stamp.write_bytes(LOCK.read_bytes())
    return python
