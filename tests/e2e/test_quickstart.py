"""The README's first command: the quickstart ends with right answers, and its report says so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(2700)
def test_demo_answers_right_and_reports() -> None:
    run = subprocess.run([sys.executable, "examples/quickstart/demo.py"], cwd=TOP, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    report = json.loads((TOP / "build" / "demo.json").read_text("utf-8"))
    assert report["passed"] is True
    assert len(report["answers"]) == 5 and all(entry["right"] for entry in report["answers"])
    assert any(entry["answer"] != entry["base"] for entry in report["answers"])
    for name in ("quickstart-base", "quickstart-house"):
        assert report["objects"][name]["phase"] == "Succeeded"
        assert report["seconds"][name]
    assert report["objects"]["assistant"]["adaptersReady"] == "1/1"
