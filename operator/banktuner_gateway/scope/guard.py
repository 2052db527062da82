"""The guard: asks the classifier and decides, before the model is asked and while it answers."""

from collections.abc import Sequence
from typing import Protocol

from banktuner_gateway.scope.answer import AnswerGate
from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.decision import decide
from banktuner_gateway.scope.follow_up import has_topic, is_follow_up, topic_before
from banktuner_gateway.scope.small_talk import small_talk
from banktuner_gateway.scope.verdicts import SMALL_TALK, UNJUDGED, Verdict


class Classifier(Protocol):
    """What IntentClassifier does."""

    threshold: float

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """One judgement a text."""


class ScopeGuard:
    """One for the process. Errors of the classifier are not caught: what cannot be judged is not answered."""

    def __init__(self, classifier: Classifier | None, threshold_percent: int | None, rejection: str) -> None:
        """`threshold_percent`: in place of the artifact's own. `rejection`: what the model says when it refuses."""
        self._classifier = classifier
        own = None if classifier is None else classifier.threshold
        self.threshold = own if threshold_percent is None else threshold_percent / 100
        self._rejection = rejection

    def question(self, text: str, before: Sequence[str] = ()) -> Verdict:
        """On a question; `before`: the caller's earlier questions, oldest first.

        Takes one run of the classifier, about 5 ms: belongs in a thread. Raises what the classifier raises.
        """
        reply = small_talk(text)
        if reply is not None:
            return Verdict(SMALL_TALK, reply=reply)
        if self._classifier is None or self.threshold is None:
            return Verdict(UNJUDGED)
        topic = topic_before(before) if is_follow_up(text) else None
        if topic is None:
            return decide(self._classifier.judge([text])[0], None, self.threshold)
        # A question without any topic has the earlier one's; "and in Canada?" adds to it, and both are read together.
        alone, meant = self._classifier.judge([text, f"{topic} {text}" if has_topic(text) else topic])
        return decide(alone, meant, self.threshold)

    def answer(self) -> AnswerGate:
        """For one answer."""
        return AnswerGate(None if self._classifier is None else self._classifier.judge, self._rejection)
