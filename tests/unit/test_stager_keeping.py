"""The keeper of checkpoints, while the trainer removes what is being looked at."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from banktuner_api import handshake
from banktuner_api.finetunejob_status import CheckpointStatus
from banktuner_api.handshake import CheckpointSaved, write_control
from banktuner_stager import keeping
from banktuner_stager.keeping import CheckpointKeeper
from banktuner_stager.paths import Paths
from tests.trainer.harness import run_config


@pytest.mark.parametrize("nested", [False, True])
def test_a_checkpoint_that_is_removed_meanwhile_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nested: bool
) -> None:
    paths = Paths(work=tmp_path)
    folder = tmp_path / "checkpoints" / "step-4"
    for name in ("sub/a", "sub/b") if nested else ("a", "b"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"weights")
    write_control(paths.control, handshake.CHECKPOINT, CheckpointSaved(step=4, folder="checkpoints/step-4"))
    link = os.link

    def then_removed(*arguments: Any) -> None:
        link(*arguments)
        shutil.rmtree(folder)

    monkeypatch.setattr(keeping.os, "link", then_removed)
    told: list[CheckpointStatus] = []
    config = run_config("Instruction", "LoRA", checkpoints={"uri": "s3://bank/checkpoints"})
    CheckpointKeeper(config, paths, {}, told.append).step(lambda: False)
    assert not folder.exists(), "it was being looked at"
    assert not told and not (paths.control / handshake.CHECKPOINT_FAILURE).exists()
