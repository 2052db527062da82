"""Pods of one version meet an operator, pods and files of another: what they agree on changes only after a review."""

import json

import pytest

from tests.unit.frozen_interface import FROZEN, interface

NOW = json.loads(json.dumps(interface()))
BEFORE = json.loads(FROZEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", sorted(NOW))
def test_the_interface_is_the_one_that_was_reviewed(part: str) -> None:
    now, before = NOW[part], BEFORE[part]
    changed = (
        sorted(key for key in {*now, *before} if now.get(key) != before.get(key))
        if isinstance(now, dict)
        else [now, before]
        if now != before
        else []
    )
    assert not changed, (
        f"{part} changed: {changed}. If that is meant, and older pods and files are still understood, run"
        " `PYTHONPATH=operator:trainer_image .venv/bin/python -m tests.unit.frozen_interface` and commit the file"
    )
