"""The benchmark's rows: comparison with the bar, and the JSON file."""

import json
from pathlib import Path

import pytest

from bench.rows import Row, table, write


def row(name: str = "accuracy", value: float = 0.9, bar: float | None = 0.9, lower: bool = False) -> Row:
    return Row(name, value, "share", bar, "peer 0.8", [value], lower)


@pytest.mark.parametrize(
    ("value", "lower", "passes"),
    [(0.9, False, True), (0.91, False, True), (0.89, False, False), (0.9, True, True), (0.91, True, False)],
)
def test_a_bar_is_a_floor_or_a_ceiling(value: float, lower: bool, passes: bool) -> None:
    assert row(value=value, lower=lower).passes is passes


@pytest.mark.parametrize("lower", [True, False])
def test_what_is_no_number_reaches_no_bar(lower: bool) -> None:
    assert not row(value=float("nan"), lower=lower).passes


def test_a_row_without_a_bar_passes_and_says_so() -> None:
    assert row(bar=None).passes
    assert "no bar" in table([row(bar=None)])


def test_the_table_says_which_bar_is_missed() -> None:
    lines = table([row("good"), row("bad", value=0.1)]).splitlines()
    verdicts = {line.split()[0]: line.split()[-1] for line in lines if "bar >=" in line}
    assert verdicts == {"good": "pass", "bad": "FAIL"}


def test_the_file_is_a_list_of_the_promised_fields(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "trainer.json"
    write(path, [row()])
    assert json.loads(path.read_text()) == [
        {"name": "accuracy", "value": 0.9, "unit": "share", "bar": 0.9, "peer": "peer 0.8", "runs": [0.9]}
    ]


def test_a_row_measured_again_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "trainer.json"
    write(path, [row("a"), row("b")])
    write(path, [row("b", value=0.5), row("c")])
    assert [(one["name"], one["value"]) for one in json.loads(path.read_text())] == [("a", 0.9), ("b", 0.5), ("c", 0.9)]
