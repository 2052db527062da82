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
"""An answer's sentence without a banking word is refused from this out-of-scope score on.

Far above a question's, because the classifier was taught questions: right answers score up to 0.993, other topics
0.998 and more. Where a question stands before the answer the score tells nothing: it is the question's."""
CERTAIN = 0.9999
"""From here on a banking word does not help."""


def decide(alone: Judgement, meant: Judgement | None, threshold: float) -> Verdict:
    """On a question. `meant`: on what a follow-up means, which the question before it tells.

    A score that is no number is refused.
    """
    if alone.out_of_scope < threshold:
        return _verdict(True, False, alone, threshold)
    if meant is None:
        return _verdict(False, False, alone, threshold)
    return _verdict(meant.out_of_scope < threshold, True, meant, threshold)


def sentence_allowed(said: Judgement, banking_word: bool) -> bool:
    """On one sentence of an answer that has a topic."""
    return said.out_of_scope < (CERTAIN if banking_word else ANSWER_THRESHOLD)


def _verdict(allowed: bool, follow_up: bool, said: Judgement, threshold: float) -> Verdict:
    rules = (LOST_FOLLOW_UP, FOLLOW_UP) if follow_up else (OUT_OF_SCOPE, IN_SCOPE)
    score = 1.0 if math.isnan(said.out_of_scope) else said.out_of_scope
    return Verdict(rules[allowed], score, threshold, said.label, said.confidence)
