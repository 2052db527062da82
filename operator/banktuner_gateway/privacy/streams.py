"""Masks and restores answers that arrive piece by piece; what has been sent is never taken back.

Both hold back the end of what has arrived as long as more text could still change it.
"""

import re
from collections import Counter

from banktuner_gateway.privacy.holding import first_unsettled
from banktuner_gateway.privacy.masker import Masker, private, replaced
from banktuner_gateway.privacy.normalise import Normalised, normalise
from banktuner_gateway.privacy.sentences import AROUND
from banktuner_gateway.privacy.spans import BEFORE, LONGEST, Span, joined
from banktuner_gateway.privacy.vault import LONGEST_PLACEHOLDER, NAME, Vault

COVERED = "COVERED"
"""Kind of the stretch at the beginning of what is held back that a label sent before stands for."""
OPEN_PLACEHOLDER = re.compile(r"<(?:[A-Z][A-Z0-9_]*)?$")


class StreamMasker:
    """Redacts one answer. Holds back at most `2 * LONGEST + AFTER` visible characters, mostly the last two words.

    A feed is CPU work, mostly of less than 0.3 ms. Where the masker knows names, what leaves goes through `NameStream`.
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self.counts: Counter[str] = Counter()
        """What was masked so far, by kind."""
        self._names = NameStream(masker, self.counts) if masker.has_names else None
        self._context = ""
        self._pending = ""
        self._covered = 0

    @property
    def held(self) -> str:
        """What has arrived and was not sent."""
        return (self._names.held if self._names else "") + self._pending

    def feed(self, chunk: str) -> str:
        """What may be sent now that `chunk` has arrived. Raises what the masker's name model raises."""
        self._pending += chunk
        settled = self._settled(at_end=False)
        return self._names.feed(settled) if self._names else settled

    def flush(self, last: str = "") -> str:
        """The rest, when nothing comes after `last`. Raises what the masker's name model raises."""
        self._pending += last
        settled = self._settled(at_end=True)
        return self._names.feed(settled) + self._names.flush() if self._names else settled

    def _settled(self, at_end: bool) -> str:
        whole = self._context + self._pending
        plain = normalise(whole)
        base = plain.place_of(len(self._context))
        cut = len(plain.text)
        if not at_end:
            cut = first_unsettled(plain.text, base, everything=self._masker.has_entities)
            if cut == base:
                return ""
        found = [span for span in self._masker.overlapping(plain.text) if span.start >= base]
        if self._covered:
            found.append(Span(COVERED, base, plain.place_of(len(self._context) + self._covered), 2.0))
        return self._send(whole, plain, found, cut)

    def _send(self, whole: str, plain: Normalised, found: list[Span], cut: int) -> str:
        spans = joined(found)
        open_span = next((span for span in spans if span.start < cut < span.end), None)
        reached = cut
        if open_span is not None and open_span.start + LONGEST > cut and open_span.kind != COVERED:
            cut = reached = open_span.start
        elif open_span is not None:
            # too long to hold back: what is certain to be masked is dropped, the rest of it when it comes
            reached = max(span.end for span in found if open_span.start <= span.start < cut)
        masked = [(span, _label(span)) for span in private(spans) if span.start < cut]
        self.counts.update(span.kind for span, label in masked if label)
        return self._advance(whole, plain, masked, (cut, max(cut, reached)))

    def _advance(self, whole: str, plain: Normalised, masked: list[tuple[Span, str]], cut: tuple[int, int]) -> str:
        sent = len(self._context)
        end = max(sent, plain.source_start(cut[0], len(whole)))
        text = replaced(whole[:end], plain, masked)[sent:]
        kept = plain.source_start(max(0, cut[0] - BEFORE), len(whole))
        self._context, self._pending = whole[kept:end], whole[end:]
        self._covered = plain.source_start(cut[1], len(whole)) - end if cut[1] > cut[0] else 0
        return text


def _label(span: Span) -> str:
    return "" if span.kind == COVERED else f"<{span.kind}>"


class NameStream:
    """Redacts the names in one answer whose other personal data is masked, a sentence at a time.

    Holds back at most `LONGEST_SENTENCE + AROUND` visible characters. Each sentence takes the model's time once.
    """

    def __init__(self, masker: Masker, counts: Counter[str]) -> None:
        """`counts`: what was masked, by kind, to be added to."""
        self._masker = masker
        self._counts = counts
        self._context = ""
        self._pending = ""

    @property
    def held(self) -> str:
        """What has arrived and was not sent."""
        return self._pending

    def feed(self, chunk: str) -> str:
        """What may be sent now that `chunk` has arrived."""
        self._pending += chunk
        return self._judged(at_end=False) if chunk else ""

    def flush(self) -> str:
        """The rest, when nothing more comes."""
        return self._judged(at_end=True)

    def _judged(self, at_end: bool) -> str:
        whole, sent = self._context + self._pending, len(self._context)
        plain = normalise(whole)
        base = plain.place_of(sent)
        spans, certain = self._masker.names(plain.text, base, at_end)
        if certain == base and not at_end:
            return ""
        self._counts.update(span.kind for span in spans)
        end = len(whole) if at_end else plain.source_start(certain, len(whole))
        text = replaced(whole[:end], plain, ((span, f"<{NAME}>") for span in spans))[sent:]
        kept = plain.source_start(max(0, certain - AROUND), len(whole))
        self._context, self._pending = whole[kept:end], whole[end:]
        return text


class StreamRestorer:
    """Puts a vault's values back into one answer. Holds back what may become a placeholder: 44 characters at most."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._pending = ""

    @property
    def held(self) -> str:
        """What has arrived and was not sent."""
        return self._pending

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
