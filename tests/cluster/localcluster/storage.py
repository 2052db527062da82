"""Reading layers out of buildah's storage: each one's tar stream byte for byte, without a copy on disk."""

import base64
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHUNK = 1 << 20
# containers/storage keeps a layer as files plus its tar headers ("tar-split"): entries of these two types
FILE_ENTRY = 1
BYTES_ENTRY = 2


@dataclass(frozen=True)
class Layer:
    """One layer: where buildah keeps it, and its uncompressed size in bytes."""

    storage: Path
    identity: str
    size: int

    def chunks(self) -> Iterator[bytes]:
        """The layer's tar stream; its sha256 is the layer's digest."""
        with gzip.open(self.storage / "overlay-layers" / f"{self.identity}.tar-split.gz") as entries:
            for line in entries:
                entry = json.loads(line)
                if entry["type"] == BYTES_ENTRY:
                    yield base64.b64decode(entry["payload"])
                elif entry["type"] == FILE_ENTRY and entry.get("size", 0) > 0:
                    yield from file_chunks(self.storage / "overlay" / self.identity / "diff" / entry_name(entry))


def entry_name(entry: dict[str, Any]) -> str:
    raw = entry.get("name_raw")
    return base64.b64decode(raw).decode(errors="surrogateescape") if raw else str(entry["name"])


def file_chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while chunk := source.read(CHUNK):
            yield chunk


def layers(storage: Path) -> dict[str, Layer]:
    """Digest -> layer, for every layer in the storage."""
    listed = json.loads((storage / "overlay-layers" / "layers.json").read_text())
    return {entry["diff-digest"]: Layer(storage, entry["id"], entry["diff-size"]) for entry in listed}
