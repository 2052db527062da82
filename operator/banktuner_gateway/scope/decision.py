"""The decisions themselves, as pure functions of what the classifier said."""

import math
from collections.abc import Sequence

from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.verdicts import (
    ASIDE_OUT_OF_SCOPE,
    FOLLOW_UP,
    IN_SCOPE,
    LOST_FOLLOW_UP,
    OUT_OF_SCOPE,
    Rule,
    Verdict,
)

ANSWER_THRESHOLD = 0.998
"""A sentence of an answer is suspect from this out-of-scope score on, unless it has a banking word.

Far above a question's, because the classifier was taught questions: right answers score up to 0.993, other topics
0.998 and more. Read behind its question an answer's score tells nothing: it is the question's."""

ASIDE_THRESHOLD = 0.99
"""A part of a question is out of scope from this score on, where the whole is in scope.

Higher than the whole's, because a sentence torn from its question tells less: of Banking77's 10,003 training rows 14
are refused for a part at 0.99 and 37 at 0.95, and of CLINC150's training rows of other topics 97 in 100 score 0.99."""


def decide(alone: Judgement, meant: Judgement | None, threshold: float) -> Verdict:
    """On a question. `meant`: on what a follow-up means, which the question before it tells.

    A score that is no number is refused.
    """
    if alone.out_of_scope < threshold:
        return _verdict(IN_SCOPE, alone, threshold)
    if meant is None:
        return _verdict(OUT_OF_SCOPE, alone, threshold)
    return _verdict(FOLLOW_UP if meant.out_of_scope < threshold else LOST_FOLLOW_UP, meant, threshold)


def decide_parts(whole: Verdict, asides: Sequence[Judgement], threshold: float) -> Verdict:
    """On a question whose parts were judged one by one: that on the whole, unless it allows and one of a part does not.

    `threshold` is the whole's. A score that is no number is refused.
    """
    bar = max(threshold, ASIDE_THRESHOLD)
    strange = [said for said in asides if not said.out_of_scope < bar]
    return _verdict(ASIDE_OUT_OF_SCOPE, strange[0], bar) if whole.allowed and strange else whole


def suspect(said: Judgement, banking_word: bool) -> bool:
    """Whether one sentence of an answer, with a topic, may be of another kind. A score that is no number is."""
    return math.isnan(said.out_of_scope) or (said.out_of_scope >= ANSWER_THRESHOLD and not banking_word)


def _verdict(rule: Rule, said: Judgement, threshold: float) -> Verdict:
    score = 1.0 if math.isnan(said.out_of_scope) else said.out_of_scope
    return Verdict(rule, score, threshold, said.label, said.confidence)
