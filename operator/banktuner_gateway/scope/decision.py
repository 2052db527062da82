"""The decisions themselves, as pure functions of what the classifier said."""

import math

from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.verdicts import (
    FOLLOW_UP,
    IN_SCOPE,
    LOST_FOLLOW_UP,
    OUT_OF_SCOPE,
    Verdict,
)

ANSWER_THRESHOLD = 0.998
"""A sentence of an answer is suspect from this out-of-scope score on, unless it has a banking word.

Far above a question's, because the classifier was taught questions: right answers score up to 0.993, other topics
0.998 and more. Read behind its question an answer's score tells nothing: it is the question's."""


def decide(alone: Judgement, meant: Judgement | None, threshold: float) -> Verdict:
    """On a question. `meant`: on what a follow-up means, which the question before it tells.

    A score that is no number is refused.
    """
    if alone.out_of_scope < threshold:
        return _verdict(True, False, alone, threshold)
    if meant is None:
        return _verdict(False, False, alone, threshold)
    return _verdict(meant.out_of_scope < threshold, True, meant, threshold)


def suspect(said: Judgement, banking_word: bool) -> bool:
    """Whether one sentence of an answer, with a topic, may be of another kind. A score that is no number is."""
    return math.isnan(said.out_of_scope) or (said.out_of_scope >= ANSWER_THRESHOLD and not banking_word)


def _verdict(allowed: bool, follow_up: bool, said: Judgement, threshold: float) -> Verdict:
    rules = (LOST_FOLLOW_UP, FOLLOW_UP) if follow_up else (OUT_OF_SCOPE, IN_SCOPE)
    score = 1.0 if math.isnan(said.out_of_scope) else said.out_of_scope
    return Verdict(rules[allowed], score, threshold, said.label, said.confidence)
