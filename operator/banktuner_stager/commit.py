"""The COMMITTED marker of one attempt: finding it, creating it once, and the Result that follows from a manifest."""

from pydantic import ValidationError

from banktuner_api.finetunejob_status import ArtifactStatus
from banktuner_api.handshake import Result
from banktuner_api.manifest import COMMITTED, MANIFEST, CommitMarker, Manifest, sha256_digest
from banktuner_stager.download import Source, fetch_manifest
from banktuner_stager.errors import digest_mismatch
from banktuner_stager.store import Kind, StoreError


def find_committed(source: Source) -> Result | None:
    """What was committed in the folder, None where nothing was. Raises StoreError, StagerError (INTEGRITY)."""
    marker = get_or_none(source, COMMITTED)
    if marker is None:
        return None
    try:
        digest = CommitMarker.model_validate_json(marker).digest
    except ValidationError as error:
        raise digest_mismatch(
            f"{source.field}: {source.location.uri}/{COMMITTED} is no marker", source.field
        ) from error
    return result_of(fetch_manifest(source, digest), digest, source.location.uri)


def create_marker(source: Source, manifest: bytes) -> bool:
    """Commit: create COMMITTED for the bytes of manifest.json. False where there is one already. Raises StoreError."""
    marker = CommitMarker(digest=sha256_digest(manifest)).model_dump_json().encode()
    return source.store.create(source.key(COMMITTED), marker)


def claim_manifest(source: Source, manifest: bytes) -> bytes:
    """Put manifest.json where there is none; the bytes that are there now. Raises StoreError."""
    if source.store.create(source.key(MANIFEST), manifest):
        return manifest
    return source.store.get(source.key(MANIFEST))


def result_of(manifest: Manifest, digest: str, uri: str) -> Result:
    """The outcome that a manifest describes."""
    artifact = ArtifactStatus(
        uri=uri,
        digest=digest,
        size_bytes=sum(file.size_bytes for file in manifest.files),
        task=manifest.task,
        method=manifest.method,
        rank=manifest.rank,
        base_model_digest=manifest.base_model_digest,
        model_digest=manifest.model_digest,
        served_as=manifest.served_as,
    )
    return Result(artifact=artifact, metrics=manifest.metrics, resources_used=manifest.resources_used)


def get_or_none(source: Source, path: str) -> bytes | None:
    """A small object of the folder, None where there is none. Raises StoreError."""
    try:
        return source.store.get(source.key(path))
    except StoreError as error:
        if error.kind is Kind.NOT_FOUND:
            return None
        raise
