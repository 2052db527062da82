"""An answer's way out, piece by piece: cleaned, watched for leaks and scope, masked, the caller's own data put back."""

from banktuner_gateway.injection.leaks import LeakGuard
from banktuner_gateway.injection.output import AnswerCleaner
from banktuner_gateway.pipeline.parts import Parts
from banktuner_gateway.pipeline.trace import Trace
from banktuner_gateway.privacy.streams import StreamMasker, StreamRestorer
from banktuner_gateway.privacy.vault import Vault


class Outgoing:
    """For one answer. What was returned has left; once `refused`, nothing more is returned.

    With a classifier a piece takes some 5 ms a sentence, without one well under a millisecond.
    """

    def __init__(self, parts: Parts, vault: Vault) -> None:
        self._cleaner = AnswerCleaner()
        self._leak = LeakGuard(parts.system, public=(parts.rejection,))
        self._gate = parts.scope.answer()
        self._masker = StreamMasker(parts.masker) if parts.masker and parts.masks_answers else None
        self._restorer = StreamRestorer(vault)
        self._masked: list[str] = []

    @property
    def refused(self) -> bool:
        """Whether the rest of the answer is withheld."""
        return self._leak.leaked or self._gate.refused

    @property
    def masked(self) -> str:
        """What left so far, as the conversation keeps it: with placeholders in the place of personal data."""
        return "".join(self._masked)

    def feed(self, piece: str) -> str:
        """What may leave now."""
        text = self._gate.feed(self._leak.feed(self._cleaner.feed(piece)))
        return self._restored(self._masker.feed(text) if self._masker is not None else text)

    def flush(self, last: str = "") -> str:
        """The rest, when nothing comes after `last`: a whole answer goes through once."""
        if self.refused:
            return ""
        rest = self._leak.feed(self._cleaner.feed(last) + self._cleaner.flush()) + self._leak.flush()
        if self._leak.leaked:
            return ""
        rest = self._gate.feed(rest) + self._gate.flush()
        return self._restored(self._masker.flush(rest) if self._masker is not None else rest) + self._restorer.flush()

    def tell(self, trace: Trace) -> None:
        """The verdicts, at the answer's end."""
        if self._leak.leaked:
            trace.leak()
        trace.scope(self._gate.verdict(), "output")

    def _restored(self, masked: str) -> str:
        self._masked.append(masked)
        return self._restorer.feed(masked)
