"""The data set generator: the same bytes for a seed, no leak from train to test, facts and refusal as promised."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

GENERATOR = Path(__file__).parents[2] / "examples" / "dataset" / "generate.py"
TOPICS = {"accounts", "cards", "transfers", "fees", "loans", "disputes", "statements"}
REFUSAL = (
    "I'm specialized in banking services only. I can help with accounts, transactions, fees, loans, and cards. "
    "Please ask a banking question."
)
MINIMUM_ROWS = {
    "banking-train": 10_000,
    "banking-test": 450,
    "house-train": 1_500,
    "house-test": 90,
    "out-of-scope-train": 500,
    "out-of-scope-test": 90,
}


def generate(out: Path, seed: int) -> Path:
    subprocess.run([sys.executable, GENERATOR, "--seed", str(seed), "--out", out], check=True)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("dataset"), 7)


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, list[dict[str, str]]]:
    return {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for name in MINIMUM_ROWS
    }


@pytest.fixture
def bankdata(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(GENERATOR.parent))
    return importlib.import_module


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    again, other = generate(tmp_path / "again", 7), generate(tmp_path / "other", 8)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert all((folder / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert (folder / "banking-train.jsonl").read_bytes() != (other / "banking-train.jsonl").read_bytes()


def test_each_file_has_the_promised_rows(files: dict[str, list[dict[str, str]]]) -> None:
    assert {name: len(rows) >= MINIMUM_ROWS[name] for name, rows in files.items()} == dict.fromkeys(MINIMUM_ROWS, True)


def test_rows_are_alpaca_rows_without_open_slots(files: dict[str, list[dict[str, str]]]) -> None:
    for row in (row for rows in files.values() for row in rows):
        assert list(row) == ["instruction", "input", "output"]
        assert row["instruction"].strip() and row["output"].strip()
        assert not set("{}|()") & set("".join(row.values())), row


def test_no_question_occurs_twice_in_all_files(files: dict[str, list[dict[str, str]]], bankdata: Any) -> None:
    fingerprint = bankdata("bankdata.grammar").fingerprint
    seen = [fingerprint(row["instruction"]) for rows in files.values() for row in rows]
    assert len(seen) == len(set(seen))


def test_held_out_phrasings_are_not_training_phrasings(bankdata: Any) -> None:
    intents = (*bankdata("bankdata.topics").INTENTS, *bankdata("bankdata.out_of_scope").FAMILIES)
    assert all(len(intent.held_out) >= 2 for intent in intents)
    assert not [i.name for i in intents if set(i.held_out) & {q for other in intents for q in other.questions}]


def test_some_rows_have_an_account_context_and_their_answer_uses_it(files: dict[str, list[dict[str, str]]]) -> None:
    rows = [row for row in files["banking-train"] if row["input"]]
    assert 0.05 < len(rows) / len(files["banking-train"]) < 0.3
    for row in rows:
        value = row["output"].rstrip(".").split()[-1]
        assert value in row["input"] + row["instruction"], row


def test_out_of_scope_rows_are_refused_and_no_other_row_is(files: dict[str, list[dict[str, str]]]) -> None:
    for name, rows in files.items():
        assert {row["output"] == REFUSAL for row in rows} == {name.startswith("out-of-scope")}


def test_the_questions_of_the_demo_are_in_test_files_only(folder: Path, files: dict[str, list[dict[str, str]]]) -> None:
    document = json.loads((folder / "questions.json").read_text())
    asked = {kind: {entry["question"] for entry in document[kind]} for kind in ("questions", "refuse")}
    assert asked["refuse"] == {
        "What is the weather today?",
        "Who won the Super Bowl?",
        "What is 2+2?",
        "Tell me a joke.",
        "What is the capital of France?",
    }
    assert len(asked["questions"]) == 5
    assert asked["questions"] <= {row["instruction"] for row in files["house-test"]}
    assert asked["refuse"] <= {row["instruction"] for row in files["out-of-scope-test"]}


def test_facts_are_in_the_house_answer_and_not_all_in_the_base_answer(folder: Path, bankdata: Any) -> None:
    for intent in bankdata("bankdata.topics").HOUSE_INTENTS:
        assert intent.facts and all(fact.lower() in intent.house.lower() for fact in intent.facts), intent.name
        assert not all(fact.lower() in intent.answer.lower() for fact in intent.facts), intent.name
    for entry in json.loads((folder / "questions.json").read_text())["questions"]:
        answer = next(r for r in bankdata("bankdata.questions").house_rows() if r.instruction == entry["question"])
        assert all(expected.lower() in answer.output.lower() for expected in entry["expect"])


def test_all_topics_are_there_and_each_answer_belongs_to_one_intent(bankdata: Any) -> None:
    intents = bankdata("bankdata.topics").INTENTS
    assert {intent.topic for intent in intents} >= TOPICS
    assert len({intent.name for intent in intents}) == len(intents)
    answers = [answer for intent in intents for answer in (intent.answer, intent.house) if answer]
    assert len(set(answers)) == len(answers)


def test_intents_and_facts_of_test_questions_are_written(
    folder: Path, files: dict[str, list[dict[str, str]]], bankdata: Any
) -> None:
    intents = json.loads((folder / "banking-test-intents.json").read_text())
    facts = json.loads((folder / "house-test-facts.json").read_text())
    assert set(intents) == {row["instruction"] for row in files["banking-test"]}
    assert set(intents.values()) == {intent.name for intent in bankdata("bankdata.topics").INTENTS}
    assert all(all(fact in row["output"] for fact in facts[row["instruction"]]) for row in files["house-test"])


def test_an_intent_with_too_few_phrasings_is_named(bankdata: Any) -> None:
    intent = bankdata("bankdata.intent").Intent("narrow", "t", ("Hello?",), ("Hi?",), "a")
    sampler = bankdata("bankdata.sampler").Sampler(1)
    with pytest.raises(ValueError, match="narrow"):
        sampler.sample((intent,), 100_000)
