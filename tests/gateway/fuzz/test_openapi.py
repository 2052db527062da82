"""Schemathesis against the gateway's own OpenAPI document: no 500, no hang, every answer as documented."""

import os
import subprocess
import sys

from tests.gateway.fuzz.conftest import Fuzzed
from tests.gateway.harness import TOKEN, Engine
from tests.gateway.process import ROOT

NOT_PROMISED = "positive_data_acceptance"
"""A text may be refused that fits the schema: it is an attack, or the last message is not the user's."""


SETTINGS = """
[checks.negative_data_rejection]
expected-statuses = [401, 403, 404, 405, 408, 409, 413, 422, 429]
"""
"""Without 413 in it, a list beyond its bound could not be too large for the body's bound."""


def test_every_answer_is_as_documented(fuzzed: Fuzzed, engine: Engine, tmp_path) -> None:
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{fuzzed.url}/openapi.json"]
    bounds = ["--max-examples=20", "--seed=20260301", "--request-timeout=10", "--generation-database=none"]
    checks = ["--checks=all", f"--exclude-checks={NOT_PROMISED}", "--header", f"Authorization: Bearer {TOKEN}"]
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    environment["SCHEMATHESIS_HOOKS"] = "tests.gateway.fuzz.hooks"
    run = subprocess.run([*command, *bounds, *checks], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, "\n".join(line[:300] for line in (run.stdout + run.stderr).splitlines())
    assert len(engine.requests) > 20
    assert "unhandled" not in fuzzed.log and "Traceback" not in fuzzed.log
