"""The top folder must not shadow the standard library, and generated files must be what the models say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from banktuner_api import crdgen

TOP = Path(__file__).resolve().parents[2]


def test_operator_is_a_source_root_and_never_a_package() -> None:
    assert not (TOP / "operator" / "__init__.py").exists(), "it would shadow the standard library's `operator`"


@pytest.mark.parametrize("flags", [[], ["-S"]])
def test_standard_library_imports_at_the_top_folder(flags: list[str]) -> None:
    code = "import collections, operator; assert operator.add(1, 2) == 3"
    run = subprocess.run([sys.executable, *flags, "-c", code], cwd=TOP, env={"PYTHONPATH": "."}, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()


def test_crds_and_chart_copies_are_generated() -> None:
    stale = [path for path, text in crdgen.generated(TOP).items() if path.read_text("utf-8") != text]
    assert not stale, "run `make generate`"


def test_locks_record_hashes_and_no_download_address() -> None:
    locks = [source.with_suffix(".txt") for source in sorted((TOP / "requirements").glob("*.in"))]
    assert {lock.name for lock in locks} >= {"operator.txt", "gateway.txt", "trainer.txt", "dev.txt", "uv.txt"}
    for lock in locks:
        text = lock.read_text("utf-8")
        assert "--hash=sha256:" in text, f"{lock.name} has no hashes"
        assert "://" not in text, f"{lock.name} names a download address"


@pytest.mark.parametrize("image", ["operator", "gateway", "ui"])
def test_images_that_answer_hold_no_training_library(image: str) -> None:
    lock = (TOP / "requirements" / f"{image}.txt").read_text("utf-8")
    locked = set(re.findall(r"^([\w.-]+)==", lock, re.MULTILINE))
    assert {"pydantic"} <= locked
    assert not locked & {"torch", "transformers", "tensorflow"}
