"""Writes the data set: `python generate.py --seed 7 --out DIR`. The same seed gives the same bytes."""

import argparse
import json
from collections import Counter
from pathlib import Path

from bankdata import questions
from bankdata.intent import Row
from bankdata.out_of_scope import FAMILIES
from bankdata.sampler import Sampler
from bankdata.topics import HOUSE_INTENTS, INTENTS, OTHER_INTENTS

CLASSIFIER_ROWS = 24
"""Questions of each intent in intents-train.jsonl: enough for an encoder that already knows English."""


def build(seed: int) -> dict[str, list[Row]]:
    """Rows of each file, by its name without the ending. Test rows are drawn first, so that they cannot run short."""
    sampler = Sampler(seed, reserved=[*questions.ANSWERED, *questions.REFUSED])
    return {
        "banking-test": sampler.sample(INTENTS, 500, held_out=True),
        "house-test": questions.house_rows() + sampler.sample(HOUSE_INTENTS, 95, held_out=True, house=True),
        "out-of-scope-test": questions.refused_rows() + sampler.sample(FAMILIES, 95, held_out=True),
        "banking-train": sampler.sample(INTENTS, 10_200),
        "house-train": sampler.sample(HOUSE_INTENTS, 1_500, house=True) + sampler.sample(OTHER_INTENTS, 360),
        "out-of-scope-train": sampler.sample(FAMILIES, 1_200),
    }


def labelled(rows: list[Row], most: int | None = None) -> list[dict[str, str]]:
    """Questions with their intents, the first `most` of each intent: what a classifier learns."""
    seen: Counter[str] = Counter()
    kept = []
    for row in rows:
        seen[row.intent] += 1
        if most is None or seen[row.intent] <= most:
            kept.append({"text": row.instruction, "label": row.intent})
    return kept


def write(out: Path, files: dict[str, list[Row]]) -> None:
    """A JSONL file for each entry of `files`, the intents and facts of the test questions, and `questions.json`."""
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        _write_lines(out / f"{name}.jsonl", [row.alpaca() for row in rows])
    _write_lines(out / "intents-train.jsonl", labelled(files["banking-train"], CLASSIFIER_ROWS))
    _write_lines(out / "intents-test.jsonl", labelled(files["banking-test"]))
    _write_lines(out / "intents-out-of-scope.jsonl", labelled(files["out-of-scope-train"]))
    facts = {intent.name: list(intent.facts) for intent in INTENTS}
    _write_json(out / "banking-test-intents.json", {row.instruction: row.intent for row in files["banking-test"]})
    _write_json(out / "house-test-facts.json", {row.instruction: facts[row.intent] for row in files["house-test"]})
    _write_json(out / "questions.json", questions.document())


def _write_lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True, help="folder for the files; made if it is not there")
    arguments = parser.parse_args()
    write(arguments.out, build(arguments.seed))


if __name__ == "__main__":
    main()
