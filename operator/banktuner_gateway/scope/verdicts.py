"""What was decided about scope, by which rule and on which score; goes into the audit record."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """`id` is stable: audit records name it."""

    id: str
    allowed: bool
    explanation: str


UNJUDGED = Rule("SCP-000", True, "no classifier is configured; the system prompt alone keeps the scope")
IN_SCOPE = Rule("SCP-001", True, "the question is a bank's business")
FOLLOW_UP = Rule("SCP-002", True, "a follow-up that is a bank's business as the question before it is")
SMALL_TALK = Rule("SCP-003", True, "greeting, thanks or goodbye; answered with a fixed text")
OUT_OF_SCOPE = Rule("SCP-010", False, "the question is not a bank's business")
LOST_FOLLOW_UP = Rule("SCP-011", False, "a follow-up, and the question before it is not a bank's business either")
ASIDE_OUT_OF_SCOPE = Rule("SCP-012", False, "a part of the question is not a bank's business")
ANSWER_IN_SCOPE = Rule("SCP-020", True, "every sentence of the answer may be a bank's business")
ANSWER_REFUSES = Rule("SCP-021", True, "the model itself refused")
ANSWER_OUT_OF_SCOPE = Rule("SCP-030", False, "a sentence of the answer is not a bank's business")


@dataclass(frozen=True)
class Verdict:
    """`score`: probability of being out of scope, refused unless below `threshold`; `label`, `confidence`: the intent.

    All four are None where nothing was asked of the classifier, and then `reply`, if any, is the fixed answer.
    """

    rule: Rule
    score: float | None = None
    threshold: float | None = None
    label: str | None = None
    confidence: float | None = None
    reply: str | None = None

    @property
    def allowed(self) -> bool:
        """Whether it may go on."""
        return self.rule.allowed

    def to_json(self) -> dict[str, Any]:
        """For the audit record; no text of the customer or the model."""
        numbers = {name: getattr(self, name) for name in ("score", "threshold", "label", "confidence")}
        rule = asdict(self.rule)
        return {"guard": "scope", "blocked": not rule.pop("allowed"), "rules": [rule.pop("id")], **rule, **numbers}
