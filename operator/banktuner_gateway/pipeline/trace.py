"""What is known of one question for its audit record: verdicts, sources, digests. No text is kept."""

import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal

from banktuner_gateway.audit import record as audit
from banktuner_gateway.audit.denials import Denials
from banktuner_gateway.audit.errors import AuditUnavailableError
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.errors import ApiError, retry_later
from banktuner_gateway.injection.inspection import Verdict as InjectionVerdict
from banktuner_gateway.observability import RequestRecord
from banktuner_gateway.privacy.vault import PLACEHOLDER
from banktuner_gateway.retrieval.types import Passage
from banktuner_gateway.scope.verdicts import OUT_OF_SCOPE
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
    response_digest: str | None = None
    verdicts: list[audit.Verdict] = field(default_factory=list)
    sources: list[audit.SourceUsed] = field(default_factory=list)

    def asked(self, masked: str) -> None:
        """The question after masking, and what was masked in it."""
        self.request_digest = self.log.digest("request", masked)
        kinds = Counter(found[1:-1].rpartition("_")[0] for found in PLACEHOLDER.findall(masked))
        self.verdicts.append(
            audit.Verdict(guard="privacy", stage="input", outcome="mask" if kinds else "pass", counts=dict(kinds))
        )

    def said(self, masked: str) -> None:
        """The answer before the customer's own data was put back."""
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

    def scope(self, verdict: ScopeVerdict, stage: Stage) -> None:
        """On the question or the answer; the intent's name is a count's, where it is a word."""
        known = {verdict.label: 1} if verdict.label and _CODE.fullmatch(verdict.label) else {}
        self.verdicts.append(
            audit.Verdict(
                guard="scope",
                stage=stage,
                outcome="pass" if verdict.allowed else "refuse",
                reason=verdict.rule.id,
                score=verdict.score,
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
            audit.SourceUsed(document=one.chunk.document, passage=one.chunk.position, digest=one.chunk.sha256)
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
            response_digest=self.response_digest,
            verdicts=self.verdicts,
            sources=self.sources,
            latency_ms=round(seconds * 1000, 2),
            upstream_ms=None if upstream is None else round(upstream * 1000, 2),
        )


async def keep_denial(log: AuditLog, denials: Denials, request: RequestRecord, problem: ApiError) -> None:
    """Record what was refused before the pipeline; strangers' refusals of one second together.

    Nothing is served, so a record that cannot be kept changes nothing for the caller; the log's metrics tell of it.
    """
    if request.audited or problem.code == "audit_unavailable":
        return
    request.audited = True
    denial = Trace(log, request).decision(
        "denied" if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed", problem.status, error=problem.code
    )
    with suppress(AuditUnavailableError):
        await (denials.record(denial) if request.caller is None else log.append(denial))


def audit_unavailable() -> ApiError:
    """503: nothing is served without a record."""
    return retry_later("audit_unavailable", "Answers cannot be recorded at the moment. Try again.", RETRY_SECONDS)
