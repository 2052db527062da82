"""Reading, understanding and splitting data: what is accepted, and how a bad row is told."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_data import Columns, Format
from banktuner_trainer.data.forms import Labelled, conversations, documents, labelled
from banktuner_trainer.data.read import Row, read_rows
from banktuner_trainer.data.split import hold_out
from banktuner_trainer.errors import TrainerError

FIELD = "spec.dataset.uri"
SECRET = "4929123412341234"


def rows(*values: dict[str, Any]) -> list[Row]:
    return [Row(number, value) for number, value in enumerate(values, start=1)]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '{"text": "a, b", "label": "x"}\n\n{"text": "ü", "label": "y"}\n'),
        ("a.json", '[{"text": "a, b", "label": "x"}, {"text": "ü", "label": "y"}]'),
        ("b.json", '{"version": 1, "data": [{"text": "a, b", "label": "x"}, {"text": "ü", "label": "y"}]}'),
        ("a.csv", 'text,label\n"a, b",x\nü,y\n'),
        ("bom.csv", '\ufefftext,label\n"a, b",x\nü,y\n'),
        ("a.CSV", 'text,label\r\n"a, b",x\r\nü,y\r\n'),
    ],
)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str, text: str) -> None:
    read = read_rows(write(tmp_path, name, text), FIELD)
    assert [row.values for row in read] == [{"text": "a, b", "label": "x"}, {"text": "ü", "label": "y"}]


def test_parquet_gives_rows(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "label": [1, 2]}), tmp_path / "a.parquet")
    assert [row.values for row in read_rows(tmp_path / "a.parquet", FIELD)] == [
        {"text": "a", "label": 1},
        {"text": "b", "label": 2},
    ]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.jsonl", "", "no rows"),
        ("a.jsonl", "\n\n", "no rows"),
        ("a.jsonl", f'{{"text": "a"}}\n{{"text": "{SECRET}\n', "row 2 is not JSON"),
        ("a.jsonl", f'"{SECRET}"\n', "row 1 is not a JSON object"),
        ("a.json", f'[{{"text": "{SECRET}"]', "the file is not JSON"),
        ("a.json", f'"{SECRET}"', "must be a JSON list"),
        ("a.json", "[]", "no rows"),
        ("a.csv", "text,label\n", "no rows"),
        ("a.csv", f"text,label\na,b\n{SECRET}\n", "row 2 does not have as many columns"),
        ("a.csv", f'text,label\n"{SECRET}', "is not CSV"),
        ("a.parquet", SECRET, "not Parquet"),
        ("a.xlsx", SECRET, "the name must end in"),
    ],
)
def test_bad_files_are_told_by_place_and_never_by_content(tmp_path: Path, name: str, text: str, says: str) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    with pytest.raises(TrainerError) as caught:
        read_rows(write(tmp_path, name, text), FIELD)
    assert says in caught.value.message
    assert SECRET not in caught.value.message
    assert (caught.value.code, caught.value.field) == (ExitCode.INVALID_DATA, FIELD)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainerError, match="not UTF-8"):
        read_rows(tmp_path / "a.jsonl", FIELD)


def test_alpaca_input_becomes_part_of_the_users_message() -> None:
    with_input, without = conversations(
        rows(
            {"instruction": "Sum up", "input": "a text", "output": "short"},
            {"instruction": "Hello", "input": "", "output": "Hi"},
        ),
        Format.ALPACA,
        FIELD,
    )
    assert with_input.messages == [
        {"role": "user", "content": "Sum up\n\n### Input:\na text"},
        {"role": "assistant", "content": "short"},
    ]
    assert without.messages[0]["content"] == "Hello"


def test_chat_accepts_both_usual_spellings() -> None:
    ours, shared = conversations(
        rows(
            {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]},
            {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
        ),
        Format.CHAT,
        FIELD,
    )
    assert ours.messages == shared.messages


@pytest.mark.parametrize(
    ("form", "value", "says"),
    [
        (Format.ALPACA, {"instruction": "a"}, "'output' is missing"),
        (Format.ALPACA, {"instruction": "", "output": "a"}, "'instruction' is empty"),
        (Format.ALPACA, {"instruction": "a", "output": 3}, "'output' is not text"),
        (Format.ALPACA, {"instruction": "a", "input": [SECRET], "output": "a"}, "'input' is not text"),
        (Format.PROMPT_COMPLETION, {"prompt": "a"}, "'completion' is missing"),
        (Format.CHAT, {"messages": SECRET}, "list of messages"),
        (Format.CHAT, {"messages": [{"role": "user", "content": SECRET}]}, "last message must be the assistant's"),
        (Format.CHAT, {"messages": [{"role": "tool", "content": SECRET}]}, "must have a role"),
        (Format.CHAT, {"messages": [SECRET]}, "'role' and 'content'"),
    ],
)
def test_bad_conversations_name_the_row(form: Format, value: dict[str, Any], says: str) -> None:
    good: dict[str, Any] = {"instruction": "a", "output": "b", "prompt": "a", "completion": "b"}
    good["messages"] = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    with pytest.raises(TrainerError) as caught:
        conversations(rows(good, value), form, FIELD)
    assert caught.value.message.startswith("row 2: ")
    assert says in caught.value.message
    assert SECRET not in caught.value.message


def test_columns_are_found_by_their_usual_names() -> None:
    [found] = labelled(rows({"id": 7, "query": "a", "intent": 3}), Columns(), FIELD)
    assert found == Labelled(1, "a", "3")
    [named] = labelled(rows({"text": "x", "t": "a", "label": "y", "l": "b"}), Columns(text="t", label="l"), FIELD)
    assert named == Labelled(1, "a", "b")
    assert documents(rows({"content": "a"}), Columns(), FIELD)[0].text == "a"


@pytest.mark.parametrize(
    ("value", "columns", "says", "field"),
    [
        ({"words": SECRET, "label": "a"}, Columns(), "no text column", FIELD),
        ({"text": SECRET, "kind": "a"}, Columns(), "no label column", FIELD),
        ({"text": SECRET}, Columns(label="kind"), "no column 'kind'", "spec.dataset.columns.label"),
        ({"text": SECRET, "label": ""}, Columns(), "row 1: column 'label'", FIELD),
        ({"text": SECRET, "label": None}, Columns(), "row 1: column 'label'", FIELD),
        ({"text": "", "label": SECRET}, Columns(), "row 1: column 'text' is empty", FIELD),
    ],
)
def test_missing_columns_say_what_to_set(value: dict[str, Any], columns: Columns, says: str, field: str) -> None:
    with pytest.raises(TrainerError) as caught:
        labelled(rows(value), columns, FIELD)
    assert says in caught.value.message
    assert caught.value.field == field
    assert SECRET not in caught.value.message


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60), st.integers(1, 50), st.integers(0, 9))
def test_split_keeps_every_row_once_and_every_label_in_training(labels: list[str], percent: int, seed: int) -> None:
    numbered = list(enumerate(labels))
    kept, held = hold_out(numbered, percent, seed, label=lambda row: row[1])
    assert sorted(kept + held) == numbered
    assert {label for _, label in kept} == set(labels)
    assert hold_out(numbered, percent, seed, label=lambda row: row[1]) == (kept, held)


def test_split_is_balanced_and_depends_on_the_seed() -> None:
    numbered = [(n, "common" if n < 90 else "rare") for n in range(100)]
    _, held = hold_out(numbered, 10, 1, label=lambda row: row[1])
    assert sorted(label for _, label in held) == ["common"] * 9 + ["rare"]
    assert hold_out(numbered, 10, 2, label=lambda row: row[1])[1] != held
    assert hold_out(numbered, 0, 1) == (numbered, [])


def test_rows_survive_a_round_trip_through_jsonl(tmp_path: Path) -> None:
    values = [{"instruction": "line\nbreak \u2028 and \x0b", "output": "ok"}]
    path = write(tmp_path, "a.jsonl", "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values))
    assert [row.values for row in read_rows(path, FIELD)] == values
