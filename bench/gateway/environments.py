"""The servers' own environments, made where they are not there yet: each with the packages of one lock."""

import subprocess
from pathlib import Path

from bench.places import ROOT, SCRATCH

LOCKS = ROOT / "requirements"
UV = ROOT / ".venv" / "bin" / "uv"
SYSTEM = Path("/usr/bin/python3.11")
"""Debian's, as in the images that the local cluster builds."""


def gateway_python() -> Path:
    """The Python of an environment as the gateway's image has it."""
    return _python("gateway")


def litellm_python() -> Path:
    """The Python of an environment with LiteLLM's proxy as locked."""
    return _python("litellm")


def _python(name: str) -> Path:
    lock, environment = LOCKS / f"{name}.txt", SCRATCH / f"venv-{name}"
    interpreter = str(SYSTEM) if SYSTEM.exists() else "3.11"
    python, stamp = environment / "bin" / "python", environment / "made-of"
    made_of = f"{interpreter}\n{lock.read_text(encoding='utf-8')}"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != made_of:
        subprocess.run([UV, "venv", "--quiet", "--python", interpreter, "--clear", environment], check=True)
        subprocess.run([UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", lock], check=True)
        stamp.write_text(made_of, encoding="utf-8")
    return python
