"""Stages a model folder or a committed artifact: looks at it first, refuses it or downloads and verifies it."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from banktuner_api.common import Digest
from banktuner_api.manifest import ManifestFile
from banktuner_api.run_config import ObjectRef
from banktuner_stager import download, folder
from banktuner_stager.download import MEGABYTE, Source
from banktuner_stager.errors import digest_mismatch, invalid_config
from banktuner_stager.store import Entry, Kind, StoreError
from banktuner_stager.waiting import Patience

TellProgress = Callable[[str, int | None], None]
"""Told a message, and the seconds left where they are known."""


def stage_model(
    ref: ObjectRef,
    source: Source,
    destination: Path,
    patience: Patience,
    tell: TellProgress,
    what: str = "model",
) -> Digest:
    """Download the model folder of `ref` into `destination`; its `tree_digest`.

    Nothing is downloaded before the listing and the configuration are found safe. `what` is its name in progress
    messages. Raises StagerError.
    """
    meter = partial(Meter, what, tell=tell)
    return patience.run(lambda: _stage(ref, source, destination, meter), source.location.uri, source.field)


def _stage(ref: ObjectRef, source: Source, destination: Path, meter: Callable[[Sequence[Entry]], "Meter"]) -> Digest:
    entries = source.store.list(source.location.key)
    if not entries:
        raise StoreError(Kind.NOT_FOUND, "empty")
    taken = folder.model_files(entries, source.location.uri, source.field)
    expected = None
    if ref.digest is not None:
        expected = download.root_files(download.fetch_manifest(source, ref.digest))
        taken = pinned(taken, expected, source)
    _refuse_remote_code(taken, source)
    return download.fetch_folder(source, taken, destination, expected, meter(taken))


def stage_artifact(ref: ObjectRef, source: Source, destination: Path, patience: Patience, tell: TellProgress) -> Digest:
    """Download the root of a committed artifact, an adapter or a model, and verify it; its `tree_digest`.

    Raises StagerError; INVALID_CONFIG where `ref` is not pinned by a digest.
    """

    def fetch() -> Digest:
        if ref.digest is None:
            raise invalid_config(f"{source.field}: {source.location.uri} is not pinned by a digest", source.field)
        files = download.root_files(download.fetch_manifest(source, ref.digest))
        entries = [Entry(file.path, file.size_bytes) for file in files.values()]
        folder.check_bounds(entries, source.location.uri, source.field)
        _refuse_remote_code(entries, source)
        return download.fetch_folder(source, entries, destination, files, Meter("promoted artifact", entries, tell))

    return patience.run(fetch, source.location.uri, source.field)


def pinned(entries: Sequence[Entry], expected: Mapping[str, ManifestFile], source: Source) -> list[Entry]:
    """The manifest's files, which must all be there at their sizes; other files in the folder are left out.

    Raises StagerError (INTEGRITY).
    """
    sizes = {entry.path: entry.size for entry in entries}
    for path, file in expected.items():
        if sizes.get(path) != file.size_bytes:
            what = "is missing" if path not in sizes else f"has {sizes[path]} bytes, not {file.size_bytes}"
            raise digest_mismatch(
                f"{source.field}: {source.location.uri}/{path} {what}: publish it again", source.field
            )
    return [entry for entry in entries if entry.path in expected]


def _refuse_remote_code(entries: Sequence[Entry], source: Source) -> None:
    for entry in entries:
        if PurePosixPath(entry.path).name in folder.CODE_CONFIGS:
            folder.check_config_size(entry, source.location.uri, source.field)
            content = source.store.get(source.key(entry.path))
            folder.refuse_remote_code(entry.path, content, source.location.uri, source.field)


class Meter:
    """Counts bytes and tells "model 120 of 380 MB, 14 s left" whenever another twentieth has come.

    `done`: the bytes so far.
    """

    def __init__(
        self,
        what: str,
        entries: Sequence[Entry],
        tell: TellProgress,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._clock = clock
        self._started = clock()
        self._from = 0
        self._total = sum(entry.size for entry in entries)
        self._step = max(self._total // 20, MEGABYTE)
        self._tell = tell
        self.done = 0
        self._told = 0
        self._say()

    def __call__(self, count: int) -> None:
        """Another `count` bytes are done."""
        self.done += count
        if self.done - self._told >= self._step or self.done == self._total:
            self._told = self.done
            self._say()

    def back_to(self, done: int) -> None:
        """What followed the first `done` bytes has to be done again; the pace is measured from now on."""
        self.done = self._told = self._from = done
        self._started = self._clock()

    def _say(self) -> None:
        text = f"{self._what} {-(-self.done // MEGABYTE)} of {-(-self._total // MEGABYTE)} MB"
        left = self._left()
        self._tell(text if left is None else f"{text}, {left} s left", left)

    def _left(self) -> int | None:
        measured, missing = self.done - self._from, self._total - self.done
        return round((self._clock() - self._started) * missing / measured) if measured and missing else None
