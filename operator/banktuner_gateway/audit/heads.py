"""Published heads: how far a chain went, signed, to be kept where whoever can shorten the records cannot reach."""

import hmac
import json
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from banktuner_gateway.audit.keys import AuditKey
from banktuner_gateway.audit.record import ChainId, Hash, Head, Identifier, Sequence

_MARKER = re.compile(r'\{\s*"banktuner_audit_head"\s*:')


class SignedHead(BaseModel):
    """A head as it is published: at /audit/heads, in the log, in the object store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    banktuner_audit_head: Literal[1] = 1
    chain: ChainId
    sequence: Sequence
    hash: Hash
    time: Annotated[str, Field(max_length=40)]
    key: Identifier
    mac: Hash

    def head(self) -> Head:
        """What it says."""
        return Head(chain=self.chain, sequence=self.sequence, hash=self.hash)

    def signed_by(self, key: AuditKey) -> bool:
        """Whether this key made it."""
        return hmac.compare_digest(key.head_mac(_body(self.model_dump(exclude={"mac"}))), self.mac)


def sign_head(head: Head, time: str, key: AuditKey) -> SignedHead:
    """The head, ready to be published. `time`: RFC 3339."""
    members = {
        "banktuner_audit_head": 1,
        **head.model_dump(include=set(Head.model_fields)),
        "time": time,
        "key": key.id,
    }
    return SignedHead.model_validate({**members, "mac": key.head_mac(_body(members))})


def _body(members: dict[str, object]) -> bytes:
    return json.dumps(members, sort_keys=True, separators=(",", ":")).encode("ascii")


def find_heads(text: str) -> tuple[list[SignedHead], int]:
    """The heads in a text of any kind (one head, the endpoint's answer, a log), and how many could not be read."""
    heads, bad, decoder = [], 0, json.JSONDecoder()
    for found in _MARKER.finditer(text):
        try:
            value, _ = decoder.raw_decode(text, found.start())
            heads.append(SignedHead.model_validate(value))
        except (ValueError, ValidationError, RecursionError):
            bad += 1
    return heads, bad
