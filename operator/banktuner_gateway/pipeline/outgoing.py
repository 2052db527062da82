"""An answer's way out, piece by piece: cleaned, watched for leaks and scope, masked, the caller's own data put back."""

import re

from banktuner_gateway.injection.leaks import LeakGuard
from banktuner_gateway.injection.output import AnswerCleaner
from banktuner_gateway.pipeline.parts import Parts
from banktuner_gateway.pipeline.trace import Trace
from banktuner_gateway.privacy.streams import StreamMasker, StreamRestorer
from banktuner_gateway.privacy.vault import Vault

_WORD = re.compile(r"\w+")


class Outgoing:
    """For one answer. What was returned has left; once `refused`, nothing more is returned.

    With a classifier a piece takes some 5 ms a sentence, without one well under a millisecond.
    """

    def __init__(self, parts: Parts, vault: Vault) -> None:
        self._rejection = parts.rejection
        self._cleaner = AnswerCleaner()
        self._leak = LeakGuard(parts.system, public=(parts.rejection,))
        self._gate = parts.scope.answer()
        self._masker = StreamMasker(parts.masker) if parts.masker and parts.masks_answers else None
        self._restorer = StreamRestorer(vault)
        self._judged: list[str] = []
        self._masked: list[str] = []
        self._length = 0
        self._own_refusal = False

    @property
    def refused(self) -> bool:
        """Whether the rest of the answer is withheld."""
        return self._leak.leaked or self._gate.refused

    @property
    def is_refusal(self) -> bool:
        """At the answer's end: whether it was refused, or the model itself said the refusal."""
        return self.refused or self._own_refusal

    @property
    def masked(self) -> str:
        """What may leave so far, as the conversation keeps it: with placeholders in the place of personal data."""
        return "".join(self._masked)

    @property
    def passed(self) -> int:
        """Characters of `masked` that stand for what was returned; the others are held back."""
        return self._length - len(self._restorer.held)

    def feed(self, piece: str) -> str:
        """What may leave now."""
        text = self._noted(self._gate.feed(self._leak.feed(self._cleaner.feed(piece))))
        return self._restored(self._masker.feed(text) if self._masker is not None else text)

    def flush(self, last: str = "") -> str:
        """The rest, when nothing comes after `last`: a whole answer goes through once."""
        if self.refused:
            return ""
        rest = self._leak.feed(self._cleaner.feed(last) + self._cleaner.flush()) + self._leak.flush()
        if self._leak.leaked:
            return ""
        rest = self._noted(self._gate.feed(rest) + self._gate.flush())
        self._own_refusal = not self.refused and says_the_same("".join(self._judged), self._rejection)
        return self._restored(self._masker.flush(rest) if self._masker is not None else rest) + self._restorer.flush()

    def tell(self, trace: Trace, left: bool) -> None:
        """The verdicts, at the answer's end. `left`: whether any of its words did."""
        if left and self._masker is not None:
            trace.privacy(self._masker.counts, "output")
        if self._leak.leaked:
            trace.leak()
        if self._own_refusal:
            trace.own_refusal()
        else:
            trace.scope(self._gate.verdict(), "output")

    def _noted(self, text: str) -> str:
        self._judged.append(text)
        return text

    def _restored(self, masked: str) -> str:
        self._masked.append(masked)
        self._length += len(masked)
        return self._restorer.feed(masked)


def says_the_same(text: str, rejection: str) -> bool:
    """Whether a text is the refusal, word for word: a model may write its quotes, spaces and capitals differently."""
    if len(text) > 2 * len(rejection):
        return False
    return _WORD.findall(text.casefold()) == _WORD.findall(rejection.casefold())
