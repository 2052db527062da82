"""Lets the classifier read texts without placeholders: it was trained on none, and one is enough to mislead it."""

import re
from collections.abc import Sequence

from banktuner_gateway.privacy.vault import PLACEHOLDER
from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.guard import Classifier

_MARK = re.compile(rf"\s?{PLACEHOLDER.pattern}")
_LETTER = re.compile(r"[^\W\d_]")


class Unmarked:
    """A classifier as ScopeGuard wants it; may be shared by threads."""

    def __init__(self, classifier: Classifier) -> None:
        self.threshold = classifier.threshold
        self._classifier = classifier

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """One judgement a text."""
        return self._classifier.judge([unmarked(text) for text in texts])


def unmarked(text: str) -> str:
    """Without placeholders, unless nothing would be left to read."""
    rest = _MARK.sub("", text)
    return rest if _LETTER.search(rest) else text
