"""OCI image archives: a static program as an image, and any image without the layers that are there already."""

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Protocol

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
EPOCH = 0
COPY_BYTES = 1 << 20


class Blob(Protocol):
    """Content of a known size in bytes that is made while it is read."""

    @property
    def size(self) -> int: ...

    def chunks(self) -> Iterator[bytes]: ...


class ChunkReader(io.RawIOBase):
    """A file object over chunks, as tarfile wants one."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        super().__init__()
        self.chunks = chunks
        self.rest = b""

    def read(self, size: int = -1) -> bytes:
        parts, missing = [self.rest], size - len(self.rest)
        while missing > 0 and (chunk := next(self.chunks, b"")):
            parts.append(chunk)
            missing -= len(chunk)
        joined = b"".join(parts)
        self.rest = joined[size:]
        return joined[:size]


def digest_of(content: bytes) -> str:
    return "sha256:" + sha256(content).hexdigest()


def add_bytes(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    """Add one file with nothing of this machine or moment in it."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = len(content), mode, EPOCH
    archive.addfile(entry, io.BytesIO(content))


def blob_name(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def index(manifest: bytes, names: tuple[str, ...]) -> bytes:
    """The archive's index.json: one manifest, known under each of these full image names."""
    entries = []
    for name in names:
        annotations = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
        entries.append(
            {
                "mediaType": MANIFEST_TYPE,
                "digest": digest_of(manifest),
                "size": len(manifest),
                "annotations": annotations,
            }
        )
    return json.dumps({"schemaVersion": 2, "manifests": entries}).encode()


def write_archive(sink: IO[bytes], names: tuple[str, ...], manifest: bytes, blobs: Mapping[str, Blob | bytes]) -> None:
    """Stream an OCI archive; `blobs` (digest -> content) may lack layers that the importer already has."""
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        archive.copybufsize = COPY_BYTES  # type: ignore[attr-defined]
        add_bytes(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        add_bytes(archive, "index.json", index(manifest, names))
        add_bytes(archive, blob_name(digest_of(manifest)), manifest)
        for digest, blob in blobs.items():
            if isinstance(blob, bytes):
                add_bytes(archive, blob_name(digest), blob)
                continue
            entry = tarfile.TarInfo(blob_name(digest))
            entry.size, entry.mtime = blob.size, EPOCH
            archive.addfile(entry, ChunkReader(blob.chunks()))


def program_image(program: Path, settings: dict[str, Any]) -> tuple[bytes, dict[str, bytes]]:
    """An image of one static program at `/NAME`: (manifest, blobs); `settings` is its configuration's `config`."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        add_bytes(archive, program.name, program.read_bytes(), 0o755)
    layer = packed.getvalue()
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"], **settings},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]},
        }
    ).encode()
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": {"mediaType": CONFIG_TYPE, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": LAYER_TYPE, "digest": digest_of(layer), "size": len(layer)}],
        }
    ).encode()
    return manifest, {digest_of(config): config, digest_of(layer): layer}
