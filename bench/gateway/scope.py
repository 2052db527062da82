"""How well scope is kept: `python -m bench.gateway.scope --artifact FOLDER` (onnx/ of a Classification artifact).

`make bench-trainer` leaves one in build/bench/scope/work/output/onnx.
"""

import argparse
import csv
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from banktuner_api.gateway import REJECTION
from banktuner_gateway.scope.classifier import IntentClassifier
from banktuner_gateway.scope.guard import ScopeGuard

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
EXAMPLES = ROOT / "tests" / "gateway" / "scope"
ARTIFACT = ROOT / "build" / "bench" / "scope" / "work" / "output" / "onnx"
BANKING_DOMAINS = ("banking", "credit_cards")
BAR, SEED = 0.981, 42


def kept(data: Path) -> tuple[list[str], list[str]]:
    """(a bank's questions, others') that no classifier is trained on: Banking77's test, CLINC150's validation rows."""
    clinc = json.loads((data / "clinc150" / "data.json").read_text(encoding="utf-8"))
    domains = json.loads((data / "clinc150" / "domains.json").read_text(encoding="utf-8"))
    banking = {intent for domain in BANKING_DOMAINS for intent in domains[domain]}
    with (data / "banking77" / "test.csv").open(encoding="utf-8", newline="") as file:
        ours = [row["text"] for row in csv.DictReader(file)]
    ours += [text for text, intent in clinc["val"] if intent in banking]
    theirs = [text for text, intent in clinc["val"] if intent not in banking]
    return ours, theirs + [text for text, _ in clinc["oos_val"]]


def questions(guard: ScopeGuard, ours: Sequence[str], theirs: Sequence[str]) -> list[dict[str, Any]]:
    """The accuracy of first questions, and how many of the others' get in after a banking question."""
    accepted = sum(guard.question(text).allowed for text in ours)
    refused = sum(not _passed_to_the_model(guard, text, []) for text in theirs)
    accuracy = (accepted + refused) / (len(ours) + len(theirs))
    peer = f"accepted {accepted} of a bank's {len(ours)}, refused {refused} of {len(theirs)} others"
    before = random.Random(SEED)
    after = sum(not _passed_to_the_model(guard, text, [before.choice(ours)]) for text in theirs)
    share = after / len(theirs)
    return [
        _row("scope_accuracy", accuracy, BAR, peer),
        _row("scope_refused_after_banking", share, 0.95, "others' questions that come after a banking question"),
    ]


def examples(guard: ScopeGuard) -> list[dict[str, Any]]:
    """Follow-ups and answers written for this: the share that is decided rightly."""
    follow_ups, answers = (_read(EXAMPLES / f"{name}.jsonl") for name in ("follow_ups", "answers"))
    right = [guard.question(one["question"], [one["before"]]).allowed == one["banking"] for one in follow_ups]
    stayed = [_stays(guard, one["answer"]) == one["banking"] for one in answers]
    return [
        _row("scope_follow_up_accuracy", sum(right) / len(right), 0.8, f"{sum(right)} of {len(right)}"),
        _row("scope_answer_accuracy", sum(stayed) / len(stayed), 0.95, f"{sum(stayed)} of {len(stayed)}"),
    ]


def _passed_to_the_model(guard: ScopeGuard, text: str, before: Sequence[str]) -> bool:
    verdict = guard.question(text, before)
    return verdict.allowed and verdict.reply is None


def _stays(guard: ScopeGuard, answer: str) -> bool:
    gate = guard.answer()
    gate.feed(answer)
    gate.flush()
    return not gate.refused


def _read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _row(name: str, value: float, bar: float, peer: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "share", "bar": bar, "peer": peer, "runs": [value]}


def rows(artifact: Path, data: Path) -> list[dict[str, Any]]:
    """All rows. Raises OSError where artifact or data are missing."""
    guard = ScopeGuard(IntentClassifier(artifact), None, REJECTION)
    return [*questions(guard, *kept(data)), *examples(guard)]


def main() -> int:
    """Print the rows as JSON."""
    parser = argparse.ArgumentParser(prog="bench.gateway.scope", description=__doc__)
    parser.add_argument("--artifact", type=Path, default=ARTIFACT, help="folder with classifier.onnx")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with banking77/ and clinc150/")
    options = parser.parse_args()
    json.dump(rows(options.artifact, options.data), sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
