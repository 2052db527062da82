"""A save that is cut short anywhere leaves the newest complete checkpoint in use; the next one clears the rest away."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from banktuner_api.manifest import sha256_digest
from banktuner_trainer.checkpoint import folders
from tests.trainer.harness import ROOT

RUN = sha256_digest(b"this run")
SIZE = 400_000
WRITER = """
import json, os, sys
from pathlib import Path
from banktuner_api.manifest import sha256_digest
from banktuner_trainer.checkpoint import folders
FILES = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.scandir", "os.listdir", "shutil.rmtree"}
def fill(step):
    def write(folder):
        for name, size in (("a.safetensors", 400_000), ("sub/b.pt", 1000)):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(bytes([step % 251]) * size)
    return write
def save(parent, first, last, stop_at):
    events = 0
    def count(event, arguments):
        nonlocal events
        if event in FILES and parent in str(arguments[0]):
            events += 1
            if events == stop_at:
                os.kill(os.getpid(), 9)
    sys.addaudithook(count)
    for step in range(first, last + 1):
        folders.write(Path(parent), step, sha256_digest(b"this run"), fill(step))
        folders.tidy(Path(parent), 2)
        print(step, flush=True)
for job in json.loads(sys.argv[1]):
    child = os.fork()
    if not child:
        save(*job)
        os._exit(0)
    print("ended", os.waitpid(child, 0)[1], flush=True)
"""

Job = tuple[str, int, int, int]
"""Folder, first and last step to save, and the operation on a file at which the process is killed (0: none)."""


def writer(*jobs: Job) -> "subprocess.Popen[str]":
    """Saves, each job in a process of its own."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'trainer_image'}"}
    command = [sys.executable, "-c", WRITER, json.dumps(jobs)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)


def saved(*jobs: Job) -> list[int]:
    """How each job ended: 0, or the signal."""
    said = writer(*jobs).communicate(timeout=600)[0]
    return [int(line.split()[1]) for line in said.splitlines() if line.startswith("ended")]


def newest(parent: Path) -> int:
    """The step that would be gone on from; its content is that of the step."""
    found = folders.newest((folder for _, folder in folders.listed(parent)), RUN)
    assert found is not None
    assert (found.folder / "a.safetensors").read_bytes() == bytes([found.step % 251]) * SIZE
    return found.step


def test_killed_at_every_operation_on_a_file(tmp_path: Path) -> None:
    places = {number: tmp_path / str(number) for number in range(1, 80)}
    saved(*((str(place), 1, 2, 0) for place in places.values()))
    ends = saved(*((str(place), 3, 3, number) for number, place in places.items()))
    killed = [end == signal.SIGKILL for end in ends]
    assert killed == sorted(killed, reverse=True) and 10 < sum(killed) < len(killed), "all of a save was swept"
    found = [newest(place) for place in places.values()]
    assert found == sorted(found) and set(found) == {2, 3}, "there is one moment from which the new one counts"
    saved(*((str(place), 4, 4, 0) for place in places.values()))
    assert {newest(place) for place in places.values()} == {4}
    assert {len(list(place.iterdir())) for place in places.values()} == {2}, "what was left unfinished is gone"


def test_killed_at_any_moment(tmp_path: Path) -> None:
    seen, chance = 1, random.Random(5)
    saved((str(tmp_path), 1, 1, 0))
    for _ in range(5):
        process = writer((str(tmp_path), seen + 1, seen + 20_000, 0))
        assert process.stdout is not None and process.stdout.readline(), "it saves"
        time.sleep(chance.uniform(0, 0.05))
        os.killpg(process.pid, signal.SIGKILL)
        said = [int(line) for line in process.stdout if line.endswith("\n")]
        process.wait()
        found = newest(tmp_path)
        assert found >= max(said, default=seen + 1)
        seen = found


@pytest.mark.parametrize(
    "damage", ["cut", "flipped", "missing", "no seal", "half a seal", "other run", "other trainer"]
)
def test_a_damaged_checkpoint_is_never_taken(tmp_path: Path, damage: str) -> None:
    saved((str(tmp_path), 6, 7, 0))
    folder = tmp_path / "step-7"
    data, seal = folder / "a.safetensors", folder / "checkpoint.json"
    told = json.loads(seal.read_text())
    if damage == "cut":
        os.truncate(data, SIZE - 1)
    elif damage == "flipped":
        data.write_bytes(b"\xff" + data.read_bytes()[1:])
    elif damage == "missing":
        data.unlink()
    elif damage == "no seal":
        seal.unlink()
    elif damage == "half a seal":
        os.truncate(seal, seal.stat().st_size // 2)
    elif damage == "other run":
        seal.write_text(json.dumps(told | {"run": sha256_digest(b"another run")}))
    else:
        seal.write_text(json.dumps(told | {"trainerVersion": "0.0.0"}))
    assert newest(tmp_path) == 6


def test_a_save_that_fails_leaves_the_older_ones_alone(tmp_path: Path) -> None:
    saved((str(tmp_path), 1, 2, 0))

    def fill(folder: Path) -> None:
        (folder / "a.safetensors").write_bytes(b"half")
        raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        folders.write(tmp_path, 3, RUN, fill)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-1", "step-2"] and newest(tmp_path) == 2
