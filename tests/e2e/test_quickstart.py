"""The README's first command: the quickstart ends with right answers, and its report says so."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(2700)
def test_demo_answers_right_and_reports() -> None:
    run = subprocess.run([sys.executable, "examples/quickstart/demo.py"], cwd=TOP, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    report = json.loads((TOP / "build" / "demo.json").read_text("utf-8"))
    assert report["passed"] is True
    kinds = {kind: [one for one in report["answers"] if one["kind"] == kind] for kind in ("answer", "refuse", "mask")}
    assert [len(kinds[kind]) for kind in ("answer", "refuse", "mask")] == [5, 5, 1]
    assert all(one["right"] for one in report["answers"])
    assert all(one["sources"] and one["intent"] for one in kinds["answer"])
    assert any(one["answer"] != one["base"] for one in kinds["answer"])
    for name in ("quickstart-base", "quickstart-intents", "quickstart-house"):
        assert report["objects"][name]["phase"] == "Succeeded"
        assert report["seconds"][name]
    assert report["objects"]["assistant"]["adaptersReady"] == "1/1"


def test_the_records_hold_every_decision_and_none_of_the_words() -> None:
    """After the demo: what it fetched of the bucket and verified."""
    records = [line for file in (TOP / "build" / "audit").rglob("*.jsonl") for line in file.read_text().splitlines()]
    decided = [json.loads(line)["data"] for line in records if json.loads(line)["event"] == "decision"]
    outcomes = Counter(one["outcome"] for one in decided if one["route"] == "/api/v1/chat/")
    assert outcomes["answered"] == 11 and outcomes["refused"] == 5
    said = "".join(records)
    for word in ("DE89", "HB-204711", "weather"):
        assert word not in said
