"""Masks and restores answers that arrive piece by piece; what has been sent is never taken back.

Both hold back the end of what has arrived as long as more text could still change it, and give the same as the whole text would.
"""

import re

from banktuner_gateway.privacy.holding import first_unsettled
from banktuner_gateway.privacy.masker import Masker, replaced
from banktuner_gateway.privacy.normalise import Normalised, normalise
from banktuner_gateway.privacy.spans import BEFORE, Span, joined
from banktuner_gateway.privacy.vault import LONGEST_PLACEHOLDER, Vault

OPEN_PLACEHOLDER = re.compile(r"<(?:[A-Z][A-Z0-9_]*)?$")


class StreamMasker:
    """Redacts one answer. Holds back at most `LONGEST + AFTER` visible characters, mostly the last two words.

    A stretch that is being masked already may be longer. A feed is CPU work, mostly of less than 0.3 ms.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._context = ""
        self._pending = ""

    def feed(self, chunk: str) -> str:
        """What may be sent now that `chunk` has arrived."""
        self._pending += chunk
        return self._settled(at_end=False)

    def flush(self) -> str:
        """The rest, when nothing more comes."""
        return self._settled(at_end=True)

    def _settled(self, at_end: bool) -> str:
        whole = self._context + self._pending
        plain = normalise(whole)
        base = len(normalise(self._context).text)
        spans = joined(span for span in self._masker.overlapping(plain.text) if span.start >= base)
        cut = len(plain.text) if at_end else self._cut(plain.text, base, spans)
        return self._send(whole, plain, [span for span in spans if span.end <= cut], cut)

    def _cut(self, text: str, base: int, spans: list[Span]) -> int:
        cut = first_unsettled(text, base, everything=self._masker.has_entities)
        return next((span.start for span in spans if span.start < cut < span.end), cut)

    def _send(self, whole: str, plain: Normalised, spans: list[Span], cut: int) -> str:
        sent = len(self._context)
        end = max(sent, plain.source_start(cut, len(whole)))
        settled = whole[:end]
        masked = replaced(settled, plain, ((span, f"<{span.kind}>") for span in spans))
        kept = plain.source_start(max(0, cut - BEFORE), len(whole))
        self._context, self._pending = whole[kept:end], whole[end:]
        return masked[sent:]


class StreamRestorer:
    """Puts a vault's values back into one answer. Holds back what may become a placeholder: 44 characters at most."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._pending = ""

    def feed(self, chunk: str) -> str:
        """What may be sent now that `chunk` has arrived."""
        self._pending += chunk
        begun = OPEN_PLACEHOLDER.search(self._pending, max(0, len(self._pending) - LONGEST_PLACEHOLDER + 1))
        end = begun.start() if begun else len(self._pending)
        ready, self._pending = self._pending[:end], self._pending[end:]
        return Masker.restore(ready, self._vault)

    def flush(self) -> str:
        """The rest, when nothing more comes."""
        ready, self._pending = self._pending, ""
        return Masker.restore(ready, self._vault)
