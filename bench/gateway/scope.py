"""How well scope is kept, asked of the guard with the trained classifier in it."""

import csv
import importlib
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from banktuner_api.gateway import REJECTION
from banktuner_gateway.scope.classifier import IntentClassifier
from banktuner_gateway.scope.guard import ScopeGuard
from bench.gateway.scope_artifact import classifier_folder
from bench.places import ROOT
from bench.rows import Measurement, Row, Settings

EXAMPLES = ROOT / "tests" / "gateway" / "scope"
BANKING_DOMAINS = ("banking", "credit_cards")
SEED = 42
BARS: dict[str, float | None] = {
    "scope_accuracy": 0.981,
    "scope_refused_after_banking": 0.95,
    "scope_follow_up_accuracy": 0.8,
    "scope_answer_accuracy": 0.95,
    "scope_mixed_refused": 0.9,
    "scope_stories_accepted": 0.8,
    # no bar: CLINC150 has a question for today's weather among a bank's, and those for the payday among strangers'
    "scope_demo_questions": None,
}


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


def questions(guard: ScopeGuard, ours: Sequence[str], theirs: Sequence[str]) -> list[Row]:
    """The accuracy of first questions, and how many of the others' get in after a banking question."""
    accepted = sum(guard.question(text).allowed for text in ours)
    refused = sum(not _passed_to_the_model(guard, text, []) for text in theirs)
    accuracy = (accepted + refused) / (len(ours) + len(theirs))
    peer = f"accepted {accepted} of a bank's {len(ours)}, refused {refused} of {len(theirs)} others"
    before = random.Random(SEED)
    after = sum(not _passed_to_the_model(guard, text, [before.choice(ours)]) for text in theirs)
    share = after / len(theirs)
    return [
        _row("scope_accuracy", accuracy, peer),
        _row("scope_refused_after_banking", share, "others' questions that come after a banking question"),
    ]


def examples(guard: ScopeGuard) -> list[Row]:
    """Follow-ups and answers written for this: the share that is decided rightly."""
    follow_ups, answers = (_read(EXAMPLES / f"{name}.jsonl") for name in ("follow_ups", "answers"))
    right = [guard.question(one["question"], [one["before"]]).allowed == one["banking"] for one in follow_ups]
    stayed = [_stays(guard, one["answer"]) == one["banking"] for one in answers]
    return [
        _row("scope_follow_up_accuracy", sum(right) / len(right), f"{sum(right)} of {len(right)}"),
        _row("scope_answer_accuracy", sum(stayed) / len(stayed), f"{sum(stayed)} of {len(stayed)}"),
        *_mixed(guard),
        _demo_questions(guard),
    ]


def _mixed(guard: ScopeGuard) -> list[Row]:
    """Two questions in one text, a bank's and another, in both orders; and a bank's question within its story."""
    written = _read(EXAMPLES / "mixed.jsonl")
    ours, theirs = ([one["text"] for one in written if one["banking"] is banking] for banking in (True, False))
    both = [f"{first} {then}" for a in ours for b in theirs for first, then in ((a, b), (b, a))]
    refused = sum(not _passed_to_the_model(guard, text, []) for text in both)
    stories = [guard.question(one["text"]).allowed for one in _read(EXAMPLES / "stories.jsonl")]
    return [
        _row("scope_mixed_refused", refused / len(both), f"{refused} of {len(both)}"),
        _row("scope_stories_accepted", sum(stories) / len(stories), f"{sum(stories)} of {len(stories)}"),
    ]


def _demo_questions(guard: ScopeGuard) -> Row:
    """What anybody tries first: the demo's questions."""
    sys.path.insert(0, str(ROOT / "examples" / "dataset"))
    asked = importlib.import_module("bankdata.questions")
    wrong = [text for text in asked.ANSWERED if not guard.question(text).allowed]
    wrong += [text for text in asked.REFUSED if guard.question(text).allowed]
    count = len(asked.ANSWERED) + len(asked.REFUSED)
    return _row("scope_demo_questions", 1 - len(wrong) / count, f"wrong: {', '.join(wrong) or 'none'}")


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


def _row(name: str, value: float, peer: str) -> Row:
    return Row(name, value, "share", BARS[name], peer, [value])


def rows(artifact: Path, data: Path) -> list[Row]:
    """All rows. Raises OSError where artifact or data are missing."""
    guard = ScopeGuard(IntentClassifier(artifact), None, REJECTION)
    return [*questions(guard, *kept(data)), *examples(guard)]


def measure(settings: Settings) -> list[Row]:
    """With the artifact's own threshold."""
    return rows(classifier_folder(), settings.data)


MEASUREMENTS = (Measurement(tuple(BARS), measure),)
