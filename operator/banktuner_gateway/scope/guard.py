"""The guard: asks the classifier and decides, before the model is asked and while it answers."""

from collections.abc import Sequence
from typing import Protocol

from banktuner_gateway.scope.answer import AnswerGate
from banktuner_gateway.scope.asides import asides
from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.decision import decide, decide_parts
from banktuner_gateway.scope.follow_up import has_topic, is_follow_up, topic_before
from banktuner_gateway.scope.lately import Lately
from banktuner_gateway.scope.small_talk import small_talk
from banktuner_gateway.scope.verdicts import SMALL_TALK, UNJUDGED, Verdict

WHOLE = 500
"""Characters that are judged as one text. What comes after is judged in parts alone: no topic holds so long."""


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
        self._lately = Lately()

    def question(self, text: str, before: Sequence[str] = ()) -> Verdict:
        """On a question; `before`: the caller's earlier questions, oldest first.

        Takes one run of the classifier, about 5 ms for a question of one sentence and as much again for each further
        one that asks for something: belongs in a thread. Raises what the classifier raises.
        """
        reply = small_talk(text)
        if reply is not None:
            return Verdict(SMALL_TALK, reply=reply)
        if self._classifier is None or self.threshold is None:
            return Verdict(UNJUDGED)
        topic = _topic(text, before)
        verdict = self._judged(self._classifier, self.threshold, text, topic)
        if verdict.allowed:
            self._lately.add(text, topic)
        return verdict

    def strangers(self, asked: Sequence[str]) -> list[int]:
        """Places of the questions that would be refused, each after those before it; oldest first.

        Takes no run of the classifier for what `question` or this has let through lately.
        """
        return [place for place, text in enumerate(asked) if not self._is_known(text, asked[:place])]

    def _is_known(self, text: str, before: Sequence[str]) -> bool:
        return self._lately.has(text, _topic(text, before)) or self.question(text, before).allowed

    def _judged(self, classifier: Classifier, threshold: float, text: str, topic: str | None) -> Verdict:
        begun = text[:WHOLE]
        # A question without any topic has the earlier one's; "and in Canada?" adds to it, and both are read together.
        meant = [] if topic is None else [f"{topic[:WHOLE]} {begun}" if has_topic(text) else topic[:WHOLE]]
        said = classifier.judge([begun, *meant, *asides(text)])
        whole = decide(said[0], said[1] if meant else None, threshold)
        return decide_parts(whole, said[1 + len(meant) :], threshold)

    def answer(self) -> AnswerGate:
        """For one answer."""
        return AnswerGate(None if self._classifier is None else self._classifier.judge, self._rejection)


def _topic(text: str, before: Sequence[str]) -> str | None:
    """The earlier question that a follow-up is about."""
    return topic_before(before) if is_follow_up(text) else None
