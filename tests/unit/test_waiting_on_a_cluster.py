"""What waits on a cluster outlasts a call of kubectl that fails."""

import pytest

from tests.support.cluster import eventually

import kube
import watching


def test_a_failed_call_is_not_the_end() -> None:
    calls = 0

    def look() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise kube.KubectlError("connection refused")
        return "there"

    assert eventually(look, 60, "an answer") == "there"


def test_the_last_failure_is_told() -> None:
    def look() -> str:
        raise kube.KubectlError("connection refused")

    with pytest.raises(AssertionError, match=r"an answer; last seen: KubectlError\('connection refused'\)"):
        eventually(look, 0, "an answer")


def test_a_row_keeps_what_it_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    row = watching.Row("finetunejob", "card")
    monkeypatch.setattr(watching, "get", lambda *_: {"status": {"phase": "Running"}})
    assert row.read("bank") and row.step == "Running"

    def refuse(*_: str) -> None:
        raise kube.KubectlError("connection refused")

    monkeypatch.setattr(watching, "get", refuse)
    assert not row.read("bank") and row.step == "Running"
