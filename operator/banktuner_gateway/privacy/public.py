"""Values that are nobody's personal data although they look like it: the bank's own numbers and addresses."""

from collections.abc import Iterable

from banktuner_gateway.privacy.normalise import normalise
from banktuner_gateway.privacy.spans import Span
from banktuner_gateway.privacy.vault import canonical

PUBLIC = "PUBLIC"
"""Kind of what stays as it is. A stream has to know where it is, so that it does not look at half of it."""


class PublicValues:
    """A value is known in every spelling: `0800 123-4567` is `08001234567`."""

    def __init__(self, values: Iterable[str]) -> None:
        plain = [normalise(value).text for value in values]
        self._known = {canonical(kind, value) for value in plain for kind in ("EMAIL", "")}

    def marked(self, text: str, found: Iterable[Span]) -> Iterable[Span]:
        """`found` in normalised text: the values as PUBLIC, with what lies within them.

        A span that goes beyond a value is masked as a whole: a card's number does not end to be one because its
        first digits are a number of the bank's.
        """
        if not self._known:
            return found
        spans = list(found)
        public = [span for span in spans if canonical(span.kind, text[span.start : span.end]) in self._known]
        private = (s for s in spans if not any(one.start <= s.start and s.end <= one.end for one in public))
        return [*private, *(Span(PUBLIC, one.start, one.end, 0.0) for one in public)]
