"""Downloads files with their SHA-256 taken on the way, and whole folders verified against a manifest."""

import errno
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from banktuner_api.common import Digest
from banktuner_api.manifest import ALLOWED_SUFFIXES, MANIFEST, Manifest, ManifestFile, sha256_digest, tree_digest
from banktuner_stager import folder
from banktuner_stager.errors import digest_mismatch, disk_full
from banktuner_stager.store import Entry, Location, Store

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Source:
    """A folder or file to fetch, and the spec field that names it."""

    store: Store
    location: Location
    field: str

    def key(self, path: str) -> str:
        """Full key of a file in the folder."""
        return f"{self.location.key}/{path}" if self.location.key else path


Advance = Callable[[int], None]
"""Told the number of bytes that arrived, chunk by chunk."""


def fetch_file(store: Store, key: str, destination: Path, advance: Advance) -> str:
    """Download one object, replacing `destination`; its SHA-256 in hex. Raises StoreError, StagerError (DISK_FULL)."""
    digest = hashlib.sha256()
    destination.parent.mkdir(parents=True, exist_ok=True)
    try:
        with destination.open("wb") as file:
            for chunk in store.stream(key):
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(f"there is no room for {destination.name}") from error
        raise
    return digest.hexdigest()


def fetch_manifest(source: Source, digest: Digest) -> Manifest:
    """manifest.json of a folder that is pinned by `digest`. Raises StoreError, StagerError (INTEGRITY)."""
    content = source.store.get(source.key(MANIFEST))
    if sha256_digest(content) != digest:
        raise digest_mismatch(
            f"{source.field}: {source.location.uri}/{MANIFEST} has the digest {sha256_digest(content)}, not {digest}:"
            " pin the digest of the committed artifact, or publish it again where it was changed",
            source.field,
        )
    return parse_manifest(content, source)


def parse_manifest(content: bytes, source: Source) -> Manifest:
    """A manifest from its bytes. Raises StagerError (INTEGRITY)."""
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError as error:
        raise digest_mismatch(
            f"{source.field}: {source.location.uri}/{MANIFEST} is no manifest", source.field
        ) from error
    unfit = sorted(file.path for file in manifest.files if not _fit(file))
    if unfit:
        raise digest_mismatch(f"{source.field}: {source.location.uri}/{MANIFEST} lists {unfit[0]}", source.field)
    return manifest


def _fit(file: ManifestFile) -> bool:
    path = Path(file.path)
    return ".." not in path.parts and path.suffix in ALLOWED_SUFFIXES and file.path not in folder.RESERVED


def root_files(manifest: Manifest) -> dict[str, ManifestFile]:
    """The files of the artifact's root by path."""
    return {file.path: file for file in manifest.files if folder.in_root(file.path)}


def fetch_folder(
    source: Source,
    entries: Sequence[Entry],
    destination: Path,
    expected: Mapping[str, ManifestFile] | None,
    advance: Advance,
) -> Digest:
    """Download the files into `destination` (emptied first); the folder's `tree_digest`.

    With `expected` every file must have the size and SHA-256 given there. Raises StoreError, StagerError.
    """
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    free = shutil.disk_usage(destination).free
    folder.check_room(sum(entry.size for entry in entries), free, source.location.uri)
    digests = []
    for entry in entries:
        sha256 = fetch_file(source.store, source.key(entry.path), destination / entry.path, advance)
        if expected is not None and expected[entry.path].sha256 != sha256:
            raise digest_mismatch(
                f"{source.field}: {source.location.uri}/{entry.path} is not the file that was committed:"
                " its SHA-256 differs from the manifest's. Publish it again",
                source.field,
            )
        digests.append((entry.path, sha256))
    return tree_digest(digests)
