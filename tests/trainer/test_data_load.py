"""Staged files as rows of a task: presets, questions out of scope, what is held out, what is told of repeated rows."""

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api import names
from banktuner_api.exit_codes import ExitCode
from banktuner_api.finetunejob_data import Columns, Format, Preset
from banktuner_api.handshake import Staged
from banktuner_api.run_config import RunConfig
from banktuner_trainer.data.forms import Conversation, OutOfScopeKind, conversations, out_of_scope
from banktuner_trainer.data.load import load_conversations, load_documents, load_labelled, load_out_of_scope
from banktuner_trainer.data.presets import PRESETS
from banktuner_trainer.data.read import MAX_ROW_BYTES, Row, read_rows
from banktuner_trainer.data.split import hold_out
from banktuner_trainer.errors import TrainerError
from tests.trainer.harness import run_config, staged_file, write_jsonl

FIELD = "spec.dataset.uri"
SECRET = "4929123412341234"
ALPACA = Format.ALPACA


def rows(*values: dict[str, Any]) -> list[Row]:
    return [Row(number, value) for number, value in enumerate(values, start=1)]


def alpaca(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"instruction": question, "output": answer} for question, answer in pairs]


def labelled(*pairs: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"text": text, "label": label} for text, label in pairs]


class Data:
    """Files of a job in a folder, and its configuration."""

    def __init__(self, folder: Path, form: str, task: str = "Instruction", **dataset: Any) -> None:
        self._folder = folder
        content = {"train": {"uri": "s3://bank/t.jsonl"}, "format": form} | dataset
        self.run: RunConfig = run_config(task, "LoRA", dataset=content)

    def stage(self, train: list[Any], test: list[Any] | None = None, strangers: list[Any] | None = None) -> Staged:
        files = {"train": train, "test": test, "out_of_scope": strangers}
        paths = {name: write_jsonl(self._folder / f"{name}.jsonl", made) for name, made in files.items() if made}
        return Staged(**{name: staged_file(path) for name, path in paths.items()})


def words(row: Conversation) -> tuple[str, str]:
    return row.messages[0]["content"], row.messages[-1]["content"]


# Bad files (T7 of the list of faults): place and reason, never content.


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", b'{"text": "a"}\n{"text": "' + SECRET.encode() + b'\xff"}\n', "row 2 is not UTF-8 text (byte 27"),
        ("a.csv", b"text,label\na,b\n" + SECRET.encode() + b"\xff,b\n", "line 3 is not UTF-8 text"),
        ("a.json", b'[{"text": "a"},\n{"text": "' + SECRET.encode() + b'\xff"}]', "line 2 is not UTF-8 text"),
        ("a.jsonl", b'{"text": "a"}\n{"text": "' + b"x" * MAX_ROW_BYTES + b'"}\n', "row 2 is longer than"),
        ("a.csv", b'text,label\n"' + b"x\n" * MAX_ROW_BYTES + b'",b\n', "field larger than field limit"),
        ("a.json", b'[{"text": "' + b"x" * (MAX_ROW_BYTES + 1) + b'"}]', "row 1 has a text of 4194305 characters"),
        ("a.jsonl", b'{"n": ' + b"9" * 5000 + b"}\n", "row 1 is not JSON that can be read"),
        ("a.jsonl", b"[" * 100_000 + b"\n", "row 1 is not JSON"),
        ("a.csv", f"text,text\n{SECRET},b\n".encode(), "the header names a column twice"),
        ("a.json", json.dumps({"train": [{"text": SECRET}], "oos": []}).encode(), "holds several lists"),
        ("a.json", json.dumps({"train": SECRET}).encode(), "must be a JSON list"),
    ],
)
def test_bad_rows_are_named_without_their_content(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TrainerError) as caught:
        read_rows(tmp_path / name, FIELD)
    assert says in caught.value.message
    assert SECRET not in caught.value.message
    assert (caught.value.code, caught.value.field) == (ExitCode.INVALID_DATA, FIELD)


def test_parquet_text_that_is_not_utf8_names_its_row(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    raw = pyarrow.array([b"a"] * 1500 + [b"\xff" + SECRET.encode()] + [b"b"] * 10, type=pyarrow.binary())
    text = pyarrow.Array.from_buffers(pyarrow.string(), len(raw), raw.buffers())
    parquet.write_table(pyarrow.table({"text": text}), tmp_path / "a.parquet")
    with pytest.raises(TrainerError, match="row 1501 has text that is not UTF-8"):
        read_rows(tmp_path / "a.parquet", FIELD)


def test_a_line_as_long_as_allowed_is_read(tmp_path: Path) -> None:
    text = "x" * (MAX_ROW_BYTES - len('{"text": ""}\n'))
    path = write_jsonl(tmp_path / "a.jsonl", [{"text": text}])
    assert read_rows(path, FIELD)[0].values["text"] == text


@pytest.mark.parametrize(
    ("form", "task", "second", "says"),
    [
        ("Alpaca", "Instruction", {"prompt": SECRET, "completion": SECRET}, "row 2: column 'instruction' is missing"),
        ("TextLabel", "Classification", {"query": SECRET, "intent": "b"}, "row 2: column 'text' is missing"),
        ("TextLabel", "Classification", {"text": SECRET, "label": [SECRET]}, "row 2: column 'label'"),
        ("Text", "Pretraining", {"text": {"nested": SECRET}}, "row 2: column 'text' is not text"),
        ("Text", "Pretraining", {"text": f"{SECRET}\ud800"}, "row 2: column 'text' has half of an escaped character"),
    ],
)
def test_mixed_rows_name_the_first_that_differs(
    tmp_path: Path, form: str, task: str, second: dict[str, Any], says: str
) -> None:
    first = {"instruction": "a", "output": "b", "text": "a", "label": "b"}
    data = Data(tmp_path, form, task)
    load = {"Alpaca": load_conversations, "TextLabel": load_labelled, "Text": load_documents}[form]
    with pytest.raises(TrainerError) as caught:
        load(data.run, data.stage([first, second]))
    assert says in caught.value.message
    assert SECRET not in caught.value.message
    assert caught.value.code is ExitCode.INVALID_DATA


@pytest.mark.parametrize("train", [[("q", "a")], [("q", "a")] * 9])
def test_rows_that_cannot_be_split_are_refused(tmp_path: Path, train: list[tuple[str, str]]) -> None:
    data = Data(tmp_path, "Alpaca", validationPercent=5)
    with pytest.raises(TrainerError, match=r"can be held out .* spec\.dataset\.testUri") as caught:
        load_conversations(data.run, data.stage(alpaca(*train)))
    assert caught.value.code is ExitCode.INVALID_DATA


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "assistant", "content": SECRET}],
        [{"role": ["user"], "content": SECRET}, {"role": "assistant", "content": "a"}],
        [{"role": "user", "content": f"{SECRET}\ud800"}, {"role": "assistant", "content": "a"}],
    ],
)
def test_chats_that_no_template_takes_are_refused(messages: list[Any]) -> None:
    with pytest.raises(TrainerError) as caught:
        conversations(rows({"messages": messages}), Format.CHAT, FIELD)
    assert caught.value.message.startswith("row 1: ")
    assert SECRET not in caught.value.message


# Presets.


@pytest.mark.parametrize(
    ("preset", "row", "user", "answer"),
    [
        (
            Preset.SQL_GENERATION,
            {"question": "How many cards?", "context": "CREATE TABLE cards (id INT)", "answer": "SELECT COUNT(*)"},
            "{instruction}\n\n### Input:\nSchema:\nCREATE TABLE cards (id INT)\n\nQuestion:\nHow many cards?",
            "SELECT COUNT(*)",
        ),
        (
            Preset.SQL_GENERATION,
            {"sql_prompt": "How many cards?", "sql_context": "CREATE TABLE c (id INT)", "sql": "SELECT 1", "id": 4},
            "{instruction}\n\n### Input:\nSchema:\nCREATE TABLE c (id INT)\n\nQuestion:\nHow many cards?",
            "SELECT 1",
        ),
        (
            Preset.SQL_GENERATION,
            {"question": "How many?", "query": "SELECT 1"},
            "{instruction}\n\n### Input:\nHow many?",
            "SELECT 1",
        ),
        (
            Preset.SQL_GENERATION,
            {"instruction": "How many?", "input": "CREATE TABLE c (id INT)", "output": "SELECT 1"},
            "How many?\n\n### Input:\nCREATE TABLE c (id INT)",
            "SELECT 1",
        ),
        (
            Preset.CODE_REVIEW,
            {"diff": "-a\n+b", "comment": "b is undefined"},
            "{instruction}\n\n### Input:\n-a\n+b",
            "b is undefined",
        ),
        (
            Preset.TECHNICAL_QUESTIONS,
            {"question": "What is SEPA?", "context": None, "answer": "An area."},
            "{instruction}\n\n### Input:\nWhat is SEPA?",
            "An area.",
        ),
        (
            Preset.TECHNICAL_QUESTIONS,
            {"instruction": "What is SEPA?", "output": "An area."},
            "What is SEPA?",
            "An area.",
        ),
        (
            Preset.SUMMARIZATION,
            {"document": "A long text.", "summary": "Short."},
            "{instruction}\n\n### Input:\nA long text.",
            "Short.",
        ),
        (
            Preset.SUMMARIZATION,
            {"instruction": "", "input": "A long text.", "output": "Short."},
            "{instruction}\n\n### Input:\nA long text.",
            "Short.",
        ),
    ],
)
def test_presets_find_their_columns_and_bring_an_instruction(
    preset: Preset, row: dict[str, Any], user: str, answer: str
) -> None:
    [made] = conversations(rows(row), ALPACA, FIELD, preset)
    assert words(made) == (user.format(instruction=PRESETS[preset].instruction), answer)


@pytest.mark.parametrize("preset", list(Preset))
def test_every_preset_has_a_table_entry_and_names_what_a_row_lacks(preset: Preset) -> None:
    known = PRESETS[preset]
    assert known.metrics
    question, answer = known.parts[-1].columns[0], known.output[0]
    for row, lacking in (({question: SECRET}, known.output), ({answer: SECRET}, known.parts[-1].columns)):
        with pytest.raises(TrainerError) as caught:
            conversations(rows(row), ALPACA, FIELD, preset)
        assert caught.value.message.startswith("row 1: no column among the preset's usual names")
        assert lacking[0] in caught.value.message
        assert SECRET not in caught.value.message


def test_a_preset_leaves_other_formats_as_they_are() -> None:
    row = {"prompt": "q", "completion": "a", "question": "other"}
    [made] = conversations(rows(row), Format.PROMPT_COMPLETION, FIELD, Preset.SQL_GENERATION)
    assert words(made) == ("q", "a")


# Questions out of scope.


def test_questions_out_of_scope_become_refusals_and_are_marked(tmp_path: Path) -> None:
    data = Data(tmp_path, "Alpaca", validationPercent=20)
    strangers = [{"query": f"joke {number}"} for number in range(10)]
    strangers += [{"query": f"mortgage {number}", "kind": "in-domain"} for number in range(10)]
    split = load_conversations(
        data.run, data.stage(alpaca(*((f"q{number}", "a") for number in range(10))), None, strangers)
    )
    for part, own, theirs in ((split.train, 8, 8), (split.test, 2, 2)):
        marked = Counter(row.out_of_scope for row in part)
        assert marked == {None: own, OutOfScopeKind.GENERAL: theirs, OutOfScopeKind.IN_DOMAIN: theirs}
        assert {row.messages[-1]["content"] for row in part if row.out_of_scope} == {names.REFUSAL}
    assert {words(row)[0] for row in split.train}.isdisjoint(words(row)[0] for row in split.test)


def test_the_jobs_own_refusal_is_taught(tmp_path: Path) -> None:
    data = Data(tmp_path, "Alpaca", refusal="Only cards, please.")
    split = load_conversations(data.run, data.stage(alpaca(("q", "a")), alpaca(("r", "a")), [{"text": "a joke?"}] * 2))
    assert words(split.train[-1]) == ("a joke?", "Only cards, please.")


def test_pairs_of_clinc150_and_rows_with_only_a_text_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "oos.json"
    path.write_text(json.dumps([["tell me a joke", "oos"], ["what is two and two", "oos"]]))
    found = out_of_scope(read_rows(path, FIELD), Columns(text="message"), FIELD)
    assert [(row.text, row.kind) for row in found] == [
        ("tell me a joke", OutOfScopeKind.GENERAL),
        ("what is two and two", OutOfScopeKind.GENERAL),
    ]
    [named] = out_of_scope(rows({"text": "a", "message": "b", "kind": "in-domain"}), Columns(text="message"), FIELD)
    assert (named.text, named.kind) == ("b", OutOfScopeKind.IN_DOMAIN)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"words": SECRET}, "no text column"),
        ({"text": ""}, "row 1: column 'text' is empty"),
        ({"text": SECRET, "kind": SECRET}, "row 1: column 'kind' is neither in-domain nor general"),
        ({"text": SECRET, "kind": [SECRET]}, "row 1: column 'kind' is neither in-domain nor general"),
    ],
)
def test_bad_rows_out_of_scope_are_named(row: dict[str, Any], says: str) -> None:
    with pytest.raises(TrainerError) as caught:
        out_of_scope(rows(row), Columns(), FIELD)
    assert says in caught.value.message
    assert SECRET not in caught.value.message


def test_without_rows_out_of_scope_there_are_none(tmp_path: Path) -> None:
    data = Data(tmp_path, "Alpaca")
    split = load_out_of_scope(data.run, data.stage(alpaca(("q", "a"))), ["q"])
    assert (split.train, split.test) == ([], [])


def test_a_share_out_of_scope_is_held_out_beside_a_test_file(tmp_path: Path) -> None:
    data = Data(tmp_path, "TextLabel", "Classification")
    staged = data.stage(labelled(("a", "x")), labelled(("b", "x")), [{"text": f"joke {n}"} for n in range(50)])
    split = load_out_of_scope(data.run, staged, [])
    assert (len(split.train), len(split.test)) == (40, 10)


# What is held out, and what is told of rows that are there twice.


def test_repeated_and_leaked_rows_are_counted_and_told_by_number(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = Data(tmp_path, "TextLabel", "Classification")
    train = labelled(("card lost", "x"), ("Card  lost ", "x"), (SECRET, "y"), ("card lost", "x"))
    test = labelled(("new", "x"), (SECRET, "y"))
    with caplog.at_level(logging.INFO):
        split = load_labelled(data.run, data.stage(train, test))
    assert (split.quality.duplicate_rows, split.quality.leaked_test_rows) == (2, 1)
    assert {one.name: one.value for one in split.quality.metrics()} == {"duplicate_rows": "2", "leaked_test_rows": "1"}
    assert (len(split.train), len(split.test)) == (4, 2)
    assert "rows 2, 4" in caplog.text
    assert "spec.dataset.testUri: 1 of 2 rows are trained on too" in caplog.text
    assert "(rows 2)" in caplog.text
    assert SECRET not in caplog.text


def test_questions_that_are_the_banks_and_out_of_scope_are_told_and_repeated_strangers_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = Data(tmp_path, "Alpaca")
    strangers = [{"text": text} for text in ("a joke?", SECRET.upper(), "a joke?", "a poem?")]
    staged = data.stage(alpaca((SECRET, "a"), ("q", "a")), alpaca(("r", "a")), strangers)
    split = load_conversations(data.run, staged)
    assert split.quality.duplicate_rows == 1
    assert "spec.dataset.outOfScopeUri: 1 of 4 rows are questions of the bank's own data too" in caplog.text
    assert "(rows 2)" in caplog.text
    assert SECRET not in caplog.text and SECRET.upper() not in caplog.text


def test_the_same_question_with_another_answer_is_another_row(tmp_path: Path) -> None:
    data = Data(tmp_path, "Alpaca")
    split = load_conversations(data.run, data.stage(alpaca(("q", "a"), ("q", "b")), alpaca(("q", "c"))))
    assert (split.quality.duplicate_rows, split.quality.leaked_test_rows) == (0, 0)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from("abc")), min_size=2, max_size=60),
    st.integers(1, 50),
    st.integers(0, 5),
)
def test_equal_rows_are_never_on_both_sides(pairs: list[tuple[int, str]], percent: int, seed: int) -> None:
    numbered = list(enumerate(pairs))
    kept, held = hold_out(numbered, percent, seed, label=lambda row: row[1][1], key=lambda row: row[1][0])
    assert sorted(kept + held) == numbered
    assert {row[1][0] for row in kept}.isdisjoint(row[1][0] for row in held)
    assert {row[1][1] for row in kept} == {label for _, label in pairs}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1), st.integers(1, 50))
def test_every_label_keeps_its_share_however_small(sizes: dict[str, int], percent: int) -> None:
    numbered = list(enumerate(label for label, size in sizes.items() for _ in range(size)))
    _, held = hold_out(numbered, percent, 3, label=lambda row: row[1])
    counted = Counter(label for _, label in held)
    for label, size in sizes.items():
        assert counted[label] == (min(size - 1, max(1, round(size * percent / 100))) if size > 1 else 0)


def test_a_cluster_that_does_not_fit_gives_way_to_smaller_ones() -> None:
    numbered = list(enumerate(["big"] * 50 + [f"small {number}" for number in range(50)]))
    for seed in range(20):
        _, held = hold_out(numbered, 10, seed, key=lambda row: row[1])
        assert len(held) == 10
        assert "big" not in {text for _, text in held}
