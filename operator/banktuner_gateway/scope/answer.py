"""The check after generation: no sentence of an answer leaves before it was judged.

The rule for streams: the first sentence is held until its end and judged, then every further one; a sentence ends at
`.`, `!`, `?` or a line break and has at least 20 characters (shorter ones go with the next), or after 300 characters.
"""

import re
from collections.abc import Callable, Sequence

from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.decision import ANSWER_THRESHOLD, sentence_allowed
from banktuner_gateway.scope.follow_up import has_topic
from banktuner_gateway.scope.verdicts import (
    ANSWER_IN_SCOPE,
    ANSWER_OUT_OF_SCOPE,
    ANSWER_REFUSES,
    UNJUDGED,
    Rule,
    Verdict,
)

SHORTEST, LONGEST = 20, 300
_END = re.compile(rf"[\s\S]{{{SHORTEST - 1},}}?(?:[.!?\u3002\uff01\uff1f](?=\s)|\n)")
_BANKING = re.compile(
    r"\b(?:account|atm|balance|bank|bic|branch|card|cash|cheque|check(?:ing|s)\b|credit|currenc|debit|deposit|disput|"
    r"exchange rate|fee\b|fees\b|fraud|hotline|iban|instalment|insured|interest|invest|loan|merchant|mortgage|"
    r"overdraft|pay(?:ee|er|ment|out|roll|s|ing)?\b|pin\b|purchase|receipt|recipient|refund|repay|routing|salar|saving|"
    r"sort code|standing order|statement|swift|transaction|transfer|wire|withdraw)",
    re.IGNORECASE,
)


class AnswerGate:
    """One answer. Once `verdict` is refusing, nothing more is returned; what was returned before stays."""

    def __init__(self, judge: Callable[[Sequence[str]], list[Judgement]] | None, rejection: str) -> None:
        """No `judge`: everything passes."""
        self._judge = judge
        self._rejection = rejection
        self._held = ""
        self._worst: Judgement | None = None
        self._rule: Rule | None = None
        self._said_something = False

    @property
    def refused(self) -> bool:
        """Whether the answer left the scope: the rest is withheld; nothing was sent if `began` is false."""
        return self._rule is ANSWER_OUT_OF_SCOPE

    @property
    def began(self) -> bool:
        """Whether a sentence was let out."""
        return self._said_something

    def feed(self, piece: str) -> str:
        """The sentences that are complete and in scope now, maybe empty.

        Asks the classifier once for all of them, about 5 ms each: belongs in a thread. Raises what it raises.
        """
        if self.refused:
            return ""
        text, at, sentences = self._held + piece, 0, []
        while (end := _sentence_end(text, at)) is not None:
            sentences.append(text[at:end])
            at = end
        self._held = text[at:]
        return self._released(sentences)

    def flush(self) -> str:
        """The rest, at the answer's end, if it is in scope."""
        held, self._held = self._held, ""
        return "" if self.refused else self._released([held] if held else [])

    def verdict(self) -> Verdict:
        """On what was said so far; the score is the highest of a sentence."""
        if self._judge is None:
            return Verdict(UNJUDGED)
        rule = self._rule or ANSWER_IN_SCOPE
        if self._worst is None:
            return Verdict(rule)
        worst = self._worst
        return Verdict(rule, worst.out_of_scope, ANSWER_THRESHOLD, worst.label, worst.confidence)

    def _released(self, sentences: Sequence[str]) -> str:
        """Those before the first that is out of scope."""
        if self._judge is None:
            return "".join(sentences)
        topics = [place for place, one in enumerate(sentences) if not self._is_harmless(one)]
        judged = dict(zip(topics, self._judge([sentences[place].strip() for place in topics]), strict=True))
        free = []
        for place, sentence in enumerate(sentences):
            if place in judged and not self._allowed(sentence, judged[place]):
                self._rule, self._held = ANSWER_OUT_OF_SCOPE, ""
                break
            free.append(sentence)
        self._said_something = self._said_something or bool(free)
        return "".join(free)

    def _is_harmless(self, sentence: str) -> bool:
        """No topic, or a part of the refusal."""
        said = sentence.strip()
        if said and said in self._rejection:
            self._rule = ANSWER_REFUSES
            return True
        return not has_topic(said)

    def _allowed(self, sentence: str, said: Judgement) -> bool:
        if self._worst is None or not said.out_of_scope <= self._worst.out_of_scope:
            self._worst = said
        return sentence_allowed(said, _BANKING.search(sentence) is not None)


def _sentence_end(text: str, start: int) -> int | None:
    """Where the sentence that begins at `start` ends; None: not within `text`. Looks at LONGEST characters alone."""
    match = _END.match(text, start, start + LONGEST)
    if match is not None:
        return match.end()
    if len(text) < start + LONGEST:
        return None
    space = text.rfind(" ", start + SHORTEST, start + LONGEST)
    return space + 1 if space >= 0 else start + LONGEST
