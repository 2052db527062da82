"""Questions and answers are judged by a real graph; what cannot be judged is not let through."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_api.gateway import ASSISTANT, REJECTION
from banktuner_gateway.scope.classifier import IntentClassifier, Judgement
from banktuner_gateway.scope.decision import decide, suspect
from banktuner_gateway.scope.follow_up import is_follow_up, topic_before
from banktuner_gateway.scope.guard import ScopeGuard
from banktuner_gateway.scope.small_talk import GOODBYE, GREETING, THANKS, small_talk
from banktuner_gateway.scope.system_prompt import system_prompt

CARD = "How do I freeze my card?"
FRANCE = "What is the capital of France?"


@pytest.fixture
def guard(classifier: IntentClassifier) -> ScopeGuard:
    return ScopeGuard(classifier, None, REJECTION)


def judgement(score: float) -> Judgement:
    return Judgement("card", 0.9, score, score >= 0.5)


def test_the_refusal_is_the_one_that_was_asked_for() -> None:
    assert REJECTION == (
        "I'm specialized in banking services only. I can help with accounts, transactions, fees, loans, and cards. "
        "Please ask a banking question."
    )
    assert ASSISTANT == "BankingAssistant-v1.0"


@pytest.mark.parametrize(
    ("alone", "meant", "rule"),
    [
        (0.49, None, "SCP-001"),
        (0.49, 0.99, "SCP-001"),
        (0.5, None, "SCP-010"),
        (0.9, 0.49, "SCP-002"),
        (0.9, 0.5, "SCP-011"),
        (math.nan, None, "SCP-010"),
        (0.9, math.nan, "SCP-011"),
        (math.nan, 0.1, "SCP-002"),
    ],
)
def test_decisions(alone: float, meant: float | None, rule: str) -> None:
    verdict = decide(judgement(alone), None if meant is None else judgement(meant), 0.5)
    assert verdict.rule.id == rule
    assert verdict.allowed == (rule in ("SCP-001", "SCP-002"))
    json.dumps(verdict.to_json(), allow_nan=False)


def test_what_is_no_number_is_suspect() -> None:
    assert suspect(judgement(math.nan), banking_word=True)
    assert not suspect(judgement(0.9985), banking_word=True)
    assert suspect(judgement(0.9985), banking_word=False)
    assert not suspect(judgement(0.9975), banking_word=False)


def test_questions_are_judged(guard: ScopeGuard) -> None:
    assert guard.question(CARD).to_json() == {
        "guard": "scope",
        "blocked": False,
        "rules": ["SCP-001"],
        "explanation": "the question is a bank's business",
        "score": pytest.approx(0, abs=0.1),
        "threshold": 0.5,
        "label": "card",
        "confidence": pytest.approx(0.993, abs=0.001),
    }
    assert guard.question(FRANCE).rule.id == "SCP-010"


def test_the_threshold_is_the_artifacts_or_the_specs(classifier: IntentClassifier) -> None:
    assert ScopeGuard(classifier, None, REJECTION).threshold == classifier.threshold == 0.5
    unsure = "my card and the weather"
    [said] = classifier.judge([unsure])
    assert 0.01 < said.out_of_scope < 0.5
    assert ScopeGuard(classifier, 99, REJECTION).question(unsure).allowed
    strict = ScopeGuard(classifier, 1, REJECTION).question(unsure)
    assert not strict.allowed and strict.threshold == 0.01 and strict.score == said.out_of_scope


def test_a_follow_up_means_what_the_question_before_meant(guard: ScopeGuard) -> None:
    follow_up = "And how long does it take?"
    assert guard.question(follow_up, [CARD]).rule.id == "SCP-002"
    assert guard.question("And in Canada?", [CARD]).rule.id == "SCP-002"
    assert guard.question(follow_up, [CARD, "And is it free?"]).rule.id == "SCP-002"
    assert guard.question(follow_up, [FRANCE]).rule.id == "SCP-011"
    assert guard.question(follow_up, [CARD, FRANCE]).rule.id == "SCP-011"
    for off in (FRANCE, "And what is the capital of France?", "Tell me a joke about it.", "Who won the Super Bowl?"):
        assert guard.question(off, [CARD, CARD]).rule.id == "SCP-010", off


def test_a_follow_up_has_no_topic() -> None:
    for text in ("And how long does it take?", "How much is it?", "What about for students?", "Yes, please."):
        assert is_follow_up(text)
    for text in (FRANCE, CARD, "And the weather?", "And who won the Super Bowl?", "", "?"):
        assert not is_follow_up(text)
    assert topic_before([]) is None and topic_before(["Is it?"]) is None
    assert topic_before([FRANCE, CARD, "How much is it?"]) == CARD


def test_small_talk_is_answered_in_fixed_words(guard: ScopeGuard) -> None:
    for text, reply in (
        ("Hello!", GREETING),
        ("Good morning", GREETING),
        ("Thank you so much", THANKS),
        ("bye", GOODBYE),
    ):
        verdict = guard.question(text)
        assert verdict.reply == reply and verdict.allowed and verdict.to_json()["rules"] == ["SCP-003"]
    for text in ("Hi, what is the capital of France?", "Thanks, tell me a joke", "good", "", "hello world"):
        assert small_talk(text) is None


def test_without_a_classifier_the_system_prompt_is_alone() -> None:
    guard = ScopeGuard(None, None, REJECTION)
    assert guard.question(FRANCE).rule.id == "SCP-000" and guard.question(FRANCE).allowed
    gate = guard.answer()
    assert gate.feed("Paris. ") + gate.flush() == "Paris. "
    assert gate.verdict().rule.id == "SCP-000"


class Broken:
    """A graph that fails."""

    threshold = 0.5

    def judge(self, texts: object) -> list[Judgement]:
        raise RuntimeError("no graph")


def test_a_broken_classifier_lets_nothing_through() -> None:
    guard = ScopeGuard(Broken(), None, REJECTION)
    with pytest.raises(RuntimeError):
        guard.question(CARD)
    gate = guard.answer()
    with pytest.raises(RuntimeError):
        gate.feed("The capital of France is Paris. And then")


def test_the_system_prompt_states_scope_and_refusal() -> None:
    text = system_prompt(ASSISTANT, REJECTION)
    assert f"You are {ASSISTANT}" in text and REJECTION in text and "{" not in text
    assert system_prompt("A", "{assistant}", "{assistant}: {other} {rejection}") == "A: {other} {assistant}"


GOOD = "Open Cards in the app. Your card is frozen. Transfers have a fee of two dollars.\nYou can open an account."


def test_an_answer_goes_out_sentence_by_sentence(guard: ScopeGuard) -> None:
    gate = guard.answer()
    assert gate.feed("Your card is frozen. Trans") == "Your card is frozen."
    assert gate.feed("fers have a fee.") == ""
    assert gate.feed(" And") == " Transfers have a fee."
    assert gate.flush() == " And"
    assert gate.began and not gate.refused and gate.verdict().rule.id == "SCP-020"


@pytest.mark.parametrize("size", [1, 3, 7, 500])
def test_an_answer_of_another_topic_never_begins(guard: ScopeGuard, size: int) -> None:
    answer = "The capital of France is Paris. Your card is frozen."
    gate = guard.answer()
    said = [gate.feed(answer[at : at + size]) for at in range(0, len(answer), size)]
    assert "".join(said) + gate.flush() == ""
    assert gate.refused and not gate.began
    verdict = gate.verdict().to_json()
    assert verdict["blocked"] and verdict["rules"] == ["SCP-030"] and verdict["score"] > verdict["threshold"]


def test_an_answer_that_leaves_the_scope_ends_there(guard: ScopeGuard) -> None:
    gate = guard.answer()
    said = gate.feed(GOOD + " The capital of France is Paris. Shakespeare wrote Hamlet. Roses") + gate.flush()
    assert said == GOOD
    assert gate.refused and gate.began and gate.verdict().to_json()["blocked"]


def test_one_aside_is_let_through_when_banking_goes_on_or_the_answer_ends(guard: ScopeGuard) -> None:
    aside = " The capital of France is Paris."
    for answer in (GOOD + aside + " Your card is frozen. ", GOOD + aside):
        gate = guard.answer()
        assert gate.feed(answer) + gate.flush() == answer and not gate.refused


def test_sentences_without_a_topic_wait_for_one_that_has(guard: ScopeGuard) -> None:
    gate = guard.answer()
    assert gate.feed("Yes, of this you can be certain. ") == ""
    assert gate.feed("The capital of France is Paris. ") + gate.flush() == ""
    assert gate.refused and not gate.began
    gate = guard.answer()
    assert gate.feed("Yes, you can do that right away. ") + gate.flush() == "Yes, you can do that right away. "


def test_the_models_own_refusal_passes(guard: ScopeGuard) -> None:
    gate = guard.answer()
    assert gate.feed(REJECTION) + gate.flush() == REJECTION
    assert gate.verdict().rule.id == "SCP-021"


def test_text_without_end_is_cut_and_judged(guard: ScopeGuard) -> None:
    gate = guard.answer()
    assert gate.feed("capital France Paris " * 20) == "" and gate.refused
    gate = guard.answer()
    assert len(gate.feed("card account fee " * 40)) >= 300
    gate = guard.answer()
    assert gate.feed("x" * 100_000)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 40), max_size=12), st.text(alphabet="ab .!?\n", max_size=60))
def test_the_same_text_comes_out_however_it_was_cut(classifier: IntentClassifier, sizes: list[int], tail: str) -> None:
    answer, at, said = GOOD + tail, 0, ""
    gate = ScopeGuard(classifier, None, REJECTION).answer()
    for size in [*sizes, len(answer)]:
        said += gate.feed(answer[at : at + size])
        at += size
    assert said + gate.flush() == answer
