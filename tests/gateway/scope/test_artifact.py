"""The promised figures with a trained classifier, where `make bench-trainer` has left one."""

import pytest

from banktuner_api.gateway import REJECTION
from banktuner_gateway.scope.classifier import IntentClassifier
from banktuner_gateway.scope.guard import ScopeGuard
from bench.gateway.scope import rows
from bench.gateway.scope_artifact import FOLDER, is_there
from bench.places import DATA

pytestmark = pytest.mark.skipif(
    not is_there() or not (DATA / "clinc150").is_dir(),
    reason="no classifier at build/bench/scope/work/output/onnx, or no data at ../shared/data",
)
ASKED = (
    *("What is my account balance?", "How do I transfer money?", "What are the ATM fees?"),
    *("When will my salary be deposited?", "I want to dispute a transaction."),
)
OFF = (
    *("What is the weather today?", "Who won the Super Bowl?", "What is 2+2?", "Tell me a joke."),
    "What is the capital of France?",
)


def test_the_bars_are_reached() -> None:
    for row in rows(FOLDER, DATA):
        assert row.passes, row.name


def test_what_has_to_be_answered_and_what_refused() -> None:
    guard = ScopeGuard(IntentClassifier(FOLDER), None, REJECTION)
    for question in ASKED:
        assert guard.question(question).allowed, question
    for question in OFF:
        assert not guard.question(question).allowed, question
        assert not guard.question(question, list(ASKED)).allowed, question
