"""`publish`: the sidecar that stores checkpoints and commits what the trainer left, exactly once for an attempt.

manifest.json is created by a conditional put before the files are uploaded: of two publishers of one attempt the
first one decides the content, and the other can only upload the same bytes. COMMITTED, last and conditional too,
makes it count.
"""

import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from banktuner_api import handshake
from banktuner_api.exit_codes import ExitCode
from banktuner_api.handshake import ArtifactRequest, Result, Staged
from banktuner_api.manifest import Manifest, ManifestFile, manifest_bytes, sha256_digest
from banktuner_api.run_config import RunConfig
from banktuner_stager.artifact import artifact_files, build_manifest, read_chunks, unfit
from banktuner_stager.commit import claim_manifest, create_marker, find_committed, result_of
from banktuner_stager.download import Source, parse_manifest
from banktuner_stager.errors import StagerError
from banktuner_stager.keeping import CheckpointKeeper
from banktuner_stager.model import Meter
from banktuner_stager.paths import Paths
from banktuner_stager.stage import open_output
from banktuner_stager.store import PARTS_AT_ONCE, Entry, Kind, StoreError
from banktuner_stager.waiting import Patience, Tell

LOG = logging.getLogger("banktuner.stager")

POLL_SECONDS = 0.5
WAITED_FOR = frozenset(Kind)
"""The artifact exists only in this pod, so every failure of the store is waited out: each of them can be mended."""
RIVAL_SECONDS = 300.0
"""How long to wait for another publisher of this attempt that claimed it with other content."""
KEPT = "The artifact is kept in the pod"

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Publisher:
    """One attempt's publication. `keeper` stores checkpoints until then."""

    config: RunConfig
    paths: Paths
    environment: Mapping[str, str]
    tell: Tell
    keeper: CheckpointKeeper
    rival_seconds: float = RIVAL_SECONDS

    def run(self) -> Result:
        """Store checkpoints until artifact.json is there, publish, write committed.json; the committed result.

        Raises StagerError, OSError.
        """
        request = self._wait_for_request()
        output = open_output(self.config, self.environment)
        result = self._patiently(output, lambda: find_committed(output))
        if result is None:
            result = self._publish(request, output)
        self.keeper.forget()
        handshake.write_control(self.paths.control, handshake.COMMITTED, result)
        self.tell("", f"committed {result.artifact.digest} at {result.artifact.uri}")
        return result

    def _wait_for_request(self) -> ArtifactRequest:
        place = self.paths.control / handshake.ARTIFACT
        while not place.exists():
            self.keeper.step(cancelled=place.exists)
            time.sleep(POLL_SECONDS)
        return ArtifactRequest.model_validate_json(place.read_bytes())

    def _publish(self, request: ArtifactRequest, output: Source) -> Result:
        staged = Staged.model_validate_json((self.paths.control / handshake.STAGED).read_bytes())
        files = artifact_files(self.paths.output)
        mine = build_manifest(self.config, request, staged, files, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        content = self._patiently(output, lambda: claim_manifest(output, manifest_bytes(mine)))
        manifest = parse_manifest(content, output)
        if manifest.files != files:
            return self._wait_for_rival(output)
        self._upload(files, output)
        return self._patiently(output, lambda: _commit(output, manifest, content))

    def _upload(self, files: list[ManifestFile], output: Source) -> None:
        entries = [Entry(file.path, file.size_bytes) for file in files]
        meter = Meter("artifact", entries, partial(self.tell, ""))
        for file in files:
            self._patiently(output, partial(_upload_file, file, self.paths.output / file.path, output, meter))

    def _wait_for_rival(self, output: Source) -> Result:
        deadline = time.monotonic() + self.rival_seconds
        while time.monotonic() < deadline:
            self.tell("PublicationConflict", "another pod of this attempt is publishing; waiting for it")
            result = self._patiently(output, lambda: find_committed(output))
            if result is not None:
                return result
            time.sleep(min(POLL_SECONDS * 4, self.rival_seconds))
        raise StagerError(
            ExitCode.INTERRUPTED,
            "PublicationConflict",
            "an earlier pod of this attempt began to publish other content and did not finish:"
            " the next attempt publishes",
        )

    def _patiently(self, output: Source, call: Callable[[], _Value]) -> _Value:
        patience = Patience(tell=self._tell_waiting, forever_for=WAITED_FOR)
        return patience.run(call, output.location.uri, output.field)

    def _tell_waiting(self, reason: str, message: str, left_seconds: int | None = None, /) -> None:
        self.tell(reason, f"{message} {KEPT}.", left_seconds)


def _upload_file(file: ManifestFile, path: Path, output: Source, meter: Meter) -> None:
    """Upload one file and see that it is the one in the manifest. Raises StoreError, StagerError."""
    digest, before = hashlib.sha256(), meter.done
    try:
        output.store.put_stream(output.key(file.path), _hashed(path, digest.update, meter), file.size_bytes)
    except StoreError:
        meter.back_to(before)
        raise
    meter(before + file.size_bytes - meter.done)
    if digest.hexdigest() != file.sha256:
        raise unfit(f"output/{file.path} changed while it was published")


def _hashed(path: Path, update: Callable[[bytes], None], meter: Meter) -> Iterator[bytes]:
    """The chunks of a file. Those that the store may still be sending are not counted yet."""
    sending: deque[int] = deque()
    for chunk in read_chunks(path):
        update(chunk)
        sending.append(len(chunk))
        if len(sending) > PARTS_AT_ONCE + 1:
            meter(sending.popleft())
        yield chunk


def _commit(output: Source, manifest: Manifest, content: bytes) -> Result:
    """Create the marker, or adopt the one that is there. Raises StoreError."""
    if create_marker(output, content):
        return result_of(manifest, sha256_digest(content), output.location.uri)
    committed = find_committed(output)
    if committed is None:
        # The store answered "conflict" for a request that ran at the same time; the next try knows.
        raise StoreError(Kind.UNAVAILABLE, "conflict")
    return committed
