"""The log that a BankingModel's settings ask for."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from banktuner_api.gateway import Audit
from banktuner_api.names import secret_env_prefix
from banktuner_gateway.audit.keys import KeySource
from banktuner_gateway.audit.log import AuditLog
from banktuner_gateway.audit.objects import ObjectSink, open_bucket
from banktuner_gateway.audit.sinks import Sink, StdoutSink
from banktuner_gateway.audit.volume import VolumeSink


@dataclass(frozen=True)
class Place:
    """Where this process runs: its BankingModel (namespace/name), its pod's name, and what the pod mounts."""

    gateway: str
    pod: str
    key_file: Path | None
    """File of `keySecretRef`'s key `key`; None where there is no such reference."""
    folder: Path
    """Volume only: where it is mounted."""
    environment: Mapping[str, str]
    """Has the Secret's members of `secretRef`, each behind `names.secret_env_prefix`."""


def new_chain(pod: str) -> str:
    """The id of a process's chain. A pod's next process has another one, so no two ever write the same."""
    name = re.sub(r"[^a-z0-9-]+", "-", pod.lower()).strip("-")[:63].strip("-")
    return f"{name or 'gateway'}-{secrets.token_hex(8)}"


def open_audit(settings: Audit, place: Place) -> AuditLog:
    """The log, not yet started. Nothing is connected. Raises KeyFileError, ValueError for ObjectStore without uri."""
    keys = KeySource(place.key_file)
    chain = new_chain(place.pod)
    return AuditLog(_sink(settings, place, chain, keys), keys, chain, place.gateway)


def _sink(settings: Audit, place: Place, chain: str, keys: KeySource) -> Sink:
    if settings.sink == "Stdout":
        return StdoutSink()
    if settings.sink == "Volume":
        return VolumeSink(place.folder, chain)
    if settings.uri is None:
        raise ValueError("audit.uri: the sink ObjectStore needs it")
    prefix = secret_env_prefix(settings.secret_ref.name) if settings.secret_ref else ""
    bucket, folder = open_bucket(settings.uri, place.environment, prefix)
    return ObjectSink(bucket, folder, chain, lambda head: head.signed_by(keys.first))
