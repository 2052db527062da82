"""What is known of one question for its audit record: verdicts, sources, digests. No text is kept."""

import json
import math
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from banktuner_gateway.audit import record as audit
from banktuner_gateway.audit.denials import Denials
from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.engine.messages import Turn
from banktuner_gateway.errors import ApiError, retry_later
from banktuner_gateway.injection.inspection import Verdict as InjectionVerdict
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.privacy.vault import PLACEHOLDER
from banktuner_gateway.retrieval.types import Passage
from banktuner_gateway.scope.verdicts import ANSWER_REFUSES, OUT_OF_SCOPE
from banktuner_gateway.scope.verdicts import Verdict as ScopeVerdict

Stage = Literal["input", "output"]
Outcome = Literal["answered", "refused", "denied", "failed", "cancelled", "started"]
Event = Literal["decision", "stream_started", "stream_ended"]
RETRY_SECONDS = 5
_CODE = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")


@dataclass
class Trace:
    """Of one question; filled in on its way."""

    log: AuditLog
    request: RequestRecord
    conversation: str | None = None
    adapter_digest: str | None = None
    request_digest: str | None = None
    earlier_digest: str | None = None
    response_digest: str | None = None
    verdicts: list[audit.Verdict] = field(default_factory=list)
    sources: list[audit.SourceUsed] = field(default_factory=list)

    def asked(self, masked: str, earlier: Sequence[Turn], looked: bool) -> None:
        """The question and what the client sent before it, after masking. `looked`: whether questions are masked."""
        self.request_digest = self.log.digest("request", masked)
        if earlier:
            self.earlier_digest = self.log.digest("earlier", earlier_text(earlier))
        if looked:
            texts = [*(turn.content for turn in earlier), masked]
            self.privacy(Counter(kind for text in texts for kind in _placeholders(text)), "input")

    def privacy(self, counts: Mapping[str, int], stage: Stage) -> None:
        """What was masked, by kind."""
        outcome: Literal["mask", "pass"] = "mask" if counts else "pass"
        self.verdicts.append(audit.Verdict(guard="privacy", stage=stage, outcome=outcome, counts=dict(counts)))

    def said(self, masked: str) -> None:
        """What left, before the customer's own data was put back."""
        self.response_digest = self.log.digest("response", masked)

    def injection(self, verdict: InjectionVerdict) -> None:
        """On the question."""
        outcome: Literal["refuse", "pass"] = "refuse" if verdict.blocked else "pass"
        reason = verdict.rules[0] if verdict.rules else None
        counts = dict.fromkeys(verdict.rules, 1)
        self.verdicts.append(
            audit.Verdict(guard="injection", stage="input", outcome=outcome, reason=reason, counts=counts)
        )

    def leak(self) -> None:
        """The answer repeated the system prompt."""
        self.verdicts.append(audit.Verdict(guard="leak", stage="output", outcome="refuse", reason="system_prompt"))

    def own_refusal(self) -> None:
        """The model's answer was the refusal."""
        self.verdicts.append(audit.Verdict(guard="scope", stage="output", outcome="refuse", reason=ANSWER_REFUSES.id))

    def scope(self, verdict: ScopeVerdict, stage: Stage) -> None:
        """On the question or the answer; the intent's name is a count's, where it is a word."""
        # What is no number was refused, as the highest score is.
        score = 1.0 if verdict.score is not None and math.isnan(verdict.score) else verdict.score
        known = {verdict.label: 1} if verdict.label and _CODE.fullmatch(verdict.label) else {}
        self.verdicts.append(
            audit.Verdict(
                guard="scope",
                stage=stage,
                outcome="pass" if verdict.allowed else "refuse",
                reason=verdict.rule.id,
                score=score,
                threshold=verdict.threshold,
                counts=known,
            )
        )

    def left_out_turns(self, count: int) -> None:
        """Of the client's earlier questions so many are no bank's business and did not go to the model."""
        self.verdicts.append(
            audit.Verdict(
                guard="turns", stage="input", outcome="mask", reason=OUT_OF_SCOPE.id, counts={"left_out": count}
            )
        )

    def left_out_passages(self, attacks: Sequence[Sequence[str]]) -> None:
        """The rules of each passage that attacks the model and did not go to it."""
        counts = Counter(rule for rules in attacks for rule in rules)
        self.verdicts.append(
            audit.Verdict(
                guard="passages",
                stage="input",
                outcome="mask",
                reason=attacks[0][0],
                counts={"left_out": len(attacks), **counts},
            )
        )

    def used(self, passages: Sequence[Passage]) -> None:
        """What the model was given of the bank's documents."""
        self.sources = [
            audit.SourceUsed(
                document=audit.fitted_path(one.chunk.document), passage=one.chunk.position, digest=one.chunk.sha256
            )
            for one in passages
        ]

    async def keep(self, outcome: Outcome, status: int, event: Event = "decision", error: str | None = None) -> None:
        """Write the record. Raises ApiError 503 where it cannot be kept: then nothing may be served."""
        try:
            await self.log.append(self.decision(outcome, status, event, error))
        except AuditUnavailableError:
            raise audit_unavailable() from None

    def decision(
        self, outcome: Outcome, status: int, event: Event = "decision", error: str | None = None
    ) -> audit.Decision:
        """All that is known now, as a record."""
        seconds = time.perf_counter() - self.request.started
        upstream = self.request.upstream_seconds
        return audit.Decision(
            event=event,
            request_id=self.request.request_id,
            outcome=outcome,
            status=status,
            route=self.request.route,
            caller=self.request.caller,
            conversation=self.conversation,
            error_code=error,
            model=self.request.served_name,
            adapter=self.request.adapter,
            adapter_digest=self.adapter_digest,
            request_digest=self.request_digest,
            earlier_digest=self.earlier_digest,
            response_digest=self.response_digest,
            verdicts=self.verdicts,
            sources=self.sources,
            latency_ms=round(seconds * 1000, 2),
            upstream_ms=None if upstream is None else round(upstream * 1000, 2),
        )


def earlier_text(turns: Sequence[Turn]) -> str:
    """What `earlier_digest` is made of: JSON without spaces, an array of [role, text], no letter escaped."""
    return json.dumps([[turn.role, turn.content] for turn in turns], ensure_ascii=False, separators=(",", ":"))


def _placeholders(masked: str) -> list[str]:
    """Their kinds."""
    return [found[1:-1].rpartition("_")[0] for found in PLACEHOLDER.findall(masked)]


async def keep_denial(log: AuditLog, denials: Denials, request: RequestRecord, problem: ApiError) -> None:
    """Record what was refused before the pipeline; of one second together what no limit bounds: strangers' refusals,
    and those by the limit itself.

    Nothing is served, so a record that cannot be kept changes nothing for the caller; the log's metrics tell of it.
    """
    if request.audited or problem.code == "audit_unavailable":
        return
    request.audited = True
    denial = Trace(log, request).decision(
        "denied" if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed", problem.status, error=problem.code
    )
    with suppress(AuditUnavailableError):
        unbounded = request.caller is None or problem.status == HTTPStatus.TOO_MANY_REQUESTS
        await (denials.record(denial) if unbounded else log.append(denial))


def audit_unavailable() -> ApiError:
    """503: nothing is served without a record."""
    return retry_later("audit_unavailable", "Answers cannot be recorded at the moment. Try again.", RETRY_SECONDS)
