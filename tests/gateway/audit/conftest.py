"""A small real file system, and a real object store."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.harness import S3Server, find_versitygw


class SmallDisk:
    """A tmpfs of 64 KiB, mounted for one test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self, leave: int = 0) -> None:
        """Take all room but for `leave` bytes."""
        with self._filler.open("ab", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                filler.truncate(max(0, filler.tell() - leave))

    def free(self) -> None:
        self._filler.unlink()

    def remount(self, option: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{option}", self.path], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"this machine does not let mount: {mounted.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[S3Server]:
    server = S3Server(find_versitygw(), tmp_path / "s3")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    """Closed after the test."""
    opened: list[int] = []
    yield opened
    for descriptor in opened:
        os.close(descriptor)
