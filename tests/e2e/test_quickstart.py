"""The README's first command: the quickstart ends with right answers, and its report says so."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
EACH_ONCE = ("mask", "stream", "openai", "follow-up", "attack", "page")
ATTACKED = ("injection", "refuse")


@pytest.mark.timeout(2700)
def test_demo_answers_right_and_reports() -> None:
    run = subprocess.run([sys.executable, "examples/quickstart/demo.py"], cwd=TOP, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    report = json.loads((TOP / "build" / "demo.json").read_text("utf-8"))
    assert report["passed"] is True
    kinds = Counter(one["kind"] for one in report["answers"])
    assert kinds == {"answer": 5, "refuse": 5} | dict.fromkeys(EACH_ONCE, 1)
    assert all(one["right"] for one in report["answers"])
    answered = [one for one in report["answers"] if one["kind"] == "answer"]
    assert all(one["sources"] and one["intent"] for one in answered)
    assert any(one["answer"] != one["base"] for one in answered)
    for name in ("quickstart-base", "quickstart-intents", "quickstart-house"):
        assert report["objects"][name]["phase"] == "Succeeded"
        assert report["seconds"][name]
    assert report["objects"]["assistant"]["adaptersReady"] == "1/1"


def test_the_records_hold_every_decision_and_none_of_the_words() -> None:
    """After the demo: what it fetched of the bucket and verified."""
    records = [line for file in (TOP / "build" / "audit").rglob("*.jsonl") for line in file.read_text().splitlines()]
    told = [json.loads(line) for line in records]
    decided = [one["data"] for one in told if one["event"] == "decision"]
    outcomes = Counter((one["route"], one["outcome"]) for one in decided)
    assert outcomes["/api/v1/chat/", "answered"] == 13 and outcomes["/api/v1/chat/", "refused"] == 6
    assert outcomes["/v1/chat/completions", "answered"] == 1
    assert [one["data"]["outcome"] for one in told if one["event"] == "stream_ended"] == ["answered"]
    attacked = [
        one for one in decided for said in one.get("verdicts", ()) if (said["guard"], said["outcome"]) == ATTACKED
    ]
    assert [one["outcome"] for one in attacked] == ["refused"]
    said = "".join(records)
    for word in ("DE89", "HB-204711", "weather"):
        assert word not in said
