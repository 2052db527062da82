"""Parts of a question: which are judged by themselves, and what becomes of a question with a strange one."""

import math

import pytest

from banktuner_api.gateway import REJECTION
from banktuner_gateway.scope.asides import LONGEST, asides
from banktuner_gateway.scope.classifier import IntentClassifier, Judgement
from banktuner_gateway.scope.decision import ASIDE_THRESHOLD, decide_parts
from banktuner_gateway.scope.guard import WHOLE, ScopeGuard
from banktuner_gateway.scope.lately import MOST, Lately
from banktuner_gateway.scope.verdicts import IN_SCOPE, OUT_OF_SCOPE, Verdict

CARD = "How do I freeze my card?"
FEES = "What are the ATM fees?"
POEM = "Write a poem about autumn"
FRANCE = "What is the capital of France?"


class Counting:
    """The real classifier; notes what it was asked for."""

    def __init__(self, classifier: IntentClassifier) -> None:
        self.threshold = classifier.threshold
        self.asked: list[list[str]] = []
        self._classifier = classifier

    def judge(self, texts: list[str]) -> list[Judgement]:
        self.asked.append(list(texts))
        return self._classifier.judge(texts)


@pytest.fixture
def counting(classifier: IntentClassifier) -> Counting:
    return Counting(classifier)


@pytest.fixture
def guard(counting: Counting) -> ScopeGuard:
    return ScopeGuard(counting, None, REJECTION)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("What is the ATM fee? Who won the Super Bowl?", ["What is the ATM fee?", "Who won the Super Bowl?"]),
        ("What is the ATM fee?Who won the Super Bowl?", ["What is the ATM fee?", "Who won the Super Bowl?"]),
        ("My card is lost. Then tell me a joke.", ["tell me a joke."]),
        ("My card is lost\nwrite a poem", ["write a poem"]),
        ("It rained. Can you write a poem about my card?", ["Can you write a poem about my card?"]),
        ("It rained. Why is my card so blue, a poem?", ["Why is my card so blue, a poem?"]),
        ("Block my card; sing a song", ["Block my card", "sing a song"]),
        ("block my card and then tell me a joke", ["block my card", "tell me a joke"]),
        ("block my card, who won the cup", ["block my card", "who won the cup"]),
        ("My card is lost. I want a recipe for soup.", ["I want a recipe for soup."]),
        ("My card is lost. You should write a poem.", ["You should write a poem."]),
        (
            "Mein Konto? \u5929\u6c14\u3002\u5929\u6c14\uff1f",
            ["Mein Konto?", "\u5929\u6c14\u3002", "\u5929\u6c14\uff1f"],
        ),
    ],
)
def test_what_asks_for_something_is_a_part(text: str, parts: list[str]) -> None:
    assert asides(text) == parts


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?!",
        "Who won the Super Bowl?",
        "Hi, I am Anna. My dog chewed my card. What can I do?",
        "Hello! I waited an hour. It was raining. Can you help me?",
        "Thank you in advance for your help! I am on holiday in Spain.",
        "My card is lost. Please advise. Is something wrong? Can you look into it?",
        "It cost 2.50 at the machine. Why?",
        "My card was declined in a shop today. Why did my payment not go through?",
    ],
)
def test_what_tells_or_begs_is_none(text: str) -> None:
    assert asides(text) == []


def test_parts_are_short_and_nothing_is_lost() -> None:
    run_on = "tell me about the old days of Rome " * 40
    parts = asides(run_on)
    assert all(len(one) <= LONGEST for one in parts) and " ".join(parts) == run_on.strip()
    assert [len(one) for one in asides("x" * 700)] == [300, 300, 100]


@pytest.mark.parametrize(
    ("whole", "scores", "rule"),
    [
        (IN_SCOPE, [], "SCP-001"),
        (IN_SCOPE, [0.0, ASIDE_THRESHOLD - 0.001], "SCP-001"),
        (IN_SCOPE, [0.0, ASIDE_THRESHOLD], "SCP-012"),
        (IN_SCOPE, [math.nan], "SCP-012"),
        (OUT_OF_SCOPE, [1.0], "SCP-010"),
    ],
)
def test_one_strange_part_is_enough(whole: object, scores: list[float], rule: str) -> None:
    judged = [Judgement("card", 0.9, score, False) for score in scores]
    verdict = decide_parts(Verdict(whole, 0.1, 0.5), judged, 0.5)  # type: ignore[arg-type]
    assert verdict.rule.id == rule and verdict.allowed == (rule == "SCP-001")


def test_a_bank_may_be_laxer_with_parts_too(classifier: IntentClassifier) -> None:
    judged = [Judgement("card", 0.9, 0.994, False)]
    assert decide_parts(Verdict(IN_SCOPE), judged, 0.995).allowed
    assert not decide_parts(Verdict(IN_SCOPE), judged, 0.5).allowed


@pytest.mark.parametrize("other", [FRANCE, f"{POEM}.", "Then tell me a joke.", "What is 2+2?"])
def test_a_banking_sentence_opens_no_door(guard: ScopeGuard, other: str) -> None:
    banking = f"{CARD} {FEES} How do I transfer money? How do I open an account?"
    for text in (f"{banking} {other}", f"{other} {banking}"):
        assert guard.question(banking).allowed and not guard.question(text).allowed, text


def test_what_stands_far_behind_is_judged(guard: ScopeGuard) -> None:
    long = f"{CARD} " * (WHOLE // len(CARD) + 20)
    assert guard.question(long).rule.id == "SCP-001"
    assert guard.question(f"{long}{POEM}.").rule.id == "SCP-012"


def test_a_text_of_more_tokens_than_are_read_is_judged_to_its_end(classifier: IntentClassifier) -> None:
    [begun] = classifier.judge(["card " * 64])
    [whole] = classifier.judge(["card " * 64 + "Who wrote Hamlet"])
    assert begun.out_of_scope < 0.01 and whole.out_of_scope > 0.9
    many = classifier.judge(["card " * 64 * 40, "card", "card " * 128 + "Hamlet Hamlet", "Hamlet"])
    assert [one.out_of_scope > 0.5 for one in many] == [False, False, True, True]


def test_a_question_takes_one_run_and_one_sentence_one_row(guard: ScopeGuard, counting: Counting) -> None:
    guard.question(CARD)
    guard.question(f"{CARD} My dog was there.")
    guard.question(f"{FEES} {POEM}.")
    assert counting.asked == [[CARD], [f"{CARD} My dog was there."], [f"{FEES} {POEM}.", FEES, f"{POEM}."]]


def test_earlier_questions_are_judged_once(guard: ScopeGuard, counting: Counting) -> None:
    follow_up = "And how long does it take?"
    asked = [CARD, follow_up, "Thank you!", FRANCE, follow_up, FEES]
    assert guard.strangers(asked) == [3, 4]
    assert guard.strangers([]) == []
    counting.asked.clear()
    assert guard.strangers([CARD, follow_up, FEES]) == [] == counting.asked
    guard.question(CARD)
    assert counting.asked == [[CARD]], "the question itself is judged whatever was known"


def test_what_was_known_longest_is_forgotten() -> None:
    lately = Lately()
    for number in range(MOST + 1):
        lately.add(str(number), None)
    assert not lately.has("0", None) and lately.has("1", None) and lately.has(str(MOST), None)
    assert not lately.has("1", "a topic")
