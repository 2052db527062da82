"""Reads the operator's settings from the environment and the files that it names."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from banktuner_operator.settings import Settings

LOG_LEVELS = ("INFO", "WARNING", "ERROR")
"""DEBUG is left out on purpose: libraries log whole objects there."""


@dataclass(frozen=True)
class Environment:
    """How this process runs. `tls`: folder with tls.crt, tls.key and ca.crt of the agent API."""

    settings: Settings
    tls: Path
    identity: str
    lease: str
    log_level: str
    agent_host: str
    agent_port: int
    probe_port: int


def load() -> Environment:
    """Everything from the environment. Raises ValueError that names the variable or the file."""
    tls = Path(os.environ.get("BANKTUNER_TLS_DIR", "/etc/banktuner-tls"))
    level = os.environ.get("BANKTUNER_LOG_LEVEL", "INFO")
    if level not in LOG_LEVELS:
        raise ValueError(f"BANKTUNER_LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}, not {level!r}")
    return Environment(
        settings=_settings(tls),
        tls=tls,
        identity=os.environ.get("POD_NAME") or os.uname().nodename,
        lease=os.environ.get("BANKTUNER_LEASE", "banktuner-operator"),
        log_level=level,
        agent_host=os.environ.get("BANKTUNER_AGENT_HOST", "0.0.0.0"),
        agent_port=int(os.environ.get("BANKTUNER_AGENT_PORT", "8443")),
        probe_port=int(os.environ.get("BANKTUNER_PROBE_PORT", "8080")),
    )


def _settings(tls: Path) -> Settings:
    file = Path(os.environ.get("BANKTUNER_SETTINGS", "/etc/banktuner-operator/settings.json"))
    try:
        content = json.loads(file.read_text("utf-8"))
        authority = (tls / "ca.crt").read_text("utf-8")
    except (OSError, ValueError) as error:
        raise ValueError(f"BANKTUNER_SETTINGS, BANKTUNER_TLS_DIR: {error}") from error
    return Settings.model_validate(content | {"agentCa": authority})
