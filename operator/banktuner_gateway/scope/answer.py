"""The check after generation: no sentence of an answer leaves before it was judged.

An answer begins with a sentence that may be a bank's business, or it is refused; sentences without a topic wait for it.
Later a single suspect sentence waits for the next one: two in a row end the answer. A sentence ends at `.`, `!`, `?`
or an empty line and has at least 20 characters (shorter ones go with the next), or after 300 characters.
"""

import re
from collections.abc import Callable, Sequence

from banktuner_gateway.scope.classifier import Judgement
from banktuner_gateway.scope.decision import ANSWER_THRESHOLD, suspect
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
_END = re.compile(rf"[\s\S]{{{SHORTEST - 1},}}?(?:[.!?\u3002\uff01\uff1f](?=\s)|\n\n)")
_BANKING = re.compile(
    r"\b(?:account|ach\b|adviser|amount|app\b|apr\b|atm|balance|bank|bic\b|borrow|branch|business days?\b|card|cash|"
    r"certificate|charge|check(?:ing|s)\b|cheque|claim|complain|credit|currenc|customer|debit|deposit|disput|employer|"
    r"fee\b|fees\b|financ|fraud|hardship|hotline|iban|identi|income|install?ment|insured|interest|invest|"
    r"lend|limit|loan|merchant|money|mortgage|overdraft|passport|password|pay(?:ee|er|ment|out|roll|s|ing)?\b|"
    r"payslip|pin\b|proof of|purchase|rates?\b|recipient|refund|repay|routing|salar|saving|security code|sepa\b|"
    r"sign(?:ing)? in|sort code|standing order|statement|swift|tax|terms\b|transaction|transfer|wire|withdraw|withhold)"
    r"|[$\u20ac\u00a3]\s?\d|\d\s?(?:%|percent|dollars?|euros?|pounds?)",
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
        self._waiting = ""
        self._suspects = 0
        self._began = False

    @property
    def refused(self) -> bool:
        """Whether the answer left the scope: the rest is withheld; nothing was sent if `began` is false."""
        return self._rule is ANSWER_OUT_OF_SCOPE

    @property
    def began(self) -> bool:
        """Whether some of it was let out."""
        return self._began

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
        free = "" if self.refused else self._released([held] if held else [])
        rest, self._waiting = self._waiting, ""
        self._began = self._began or bool(rest)
        return free + rest

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
        if self._judge is None:
            return "".join(sentences)
        topics = [place for place, one in enumerate(sentences) if not self._is_harmless(one)]
        judged = dict(zip(topics, self._judge([sentences[place].strip() for place in topics]), strict=True))
        free = ""
        for place, sentence in enumerate(sentences):
            free += self._next(sentence, judged.get(place))
        return free

    def _next(self, sentence: str, said: Judgement | None) -> str:
        """What may leave after one more sentence; `said` is None where it is harmless."""
        if self.refused:
            return ""
        self._waiting += sentence
        if said is None:
            if self._suspects or not (self._began or self._rule is ANSWER_REFUSES):
                return ""
        elif self._suspect(sentence, said):
            self._suspects += 1
            if self._suspects > 1 or not self._began:
                self._rule, self._held, self._waiting = ANSWER_OUT_OF_SCOPE, "", ""
            return ""
        free, self._waiting, self._suspects, self._began = self._waiting, "", 0, True
        return free

    def _is_harmless(self, sentence: str) -> bool:
        """No topic, or a part of the refusal."""
        said = sentence.strip()
        if said and said in self._rejection:
            self._rule = ANSWER_REFUSES
            return True
        return not has_topic(said)

    def _suspect(self, sentence: str, said: Judgement) -> bool:
        if self._worst is None or not said.out_of_scope <= self._worst.out_of_scope:
            self._worst = said
        return suspect(said, _BANKING.search(sentence) is not None)


def _sentence_end(text: str, start: int) -> int | None:
    """Where the sentence that begins at `start` ends; None: not within `text`. Looks at LONGEST characters alone."""
    match = _END.match(text, start, start + LONGEST)
    if match is not None:
        return match.end()
    if len(text) < start + LONGEST:
        return None
    space = text.rfind(" ", start + SHORTEST, start + LONGEST)
    return space + 1 if space >= 0 else start + LONGEST
