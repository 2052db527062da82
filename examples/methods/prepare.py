"""Makes the few rows that these examples learn from, and puts them into the bucket under methods/."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from kube import upload

DATASET = Path(__file__).resolve().parent.parent / "dataset" / "generate.py"
BUILD = Path("build")
ROWS = {
    "base-train": ("banking-train", 480),
    "base-test": ("banking-test", 24),
    "house-train": ("house-train", 240),
    "house-test": ("house-test", 12),
}
STRANGERS = 96


def prepare(folder: Path) -> None:
    """Write every file that the manifests name into `folder`."""
    generated = BUILD / "dataset"
    subprocess.run([sys.executable, str(DATASET), "--seed", "7", "--out", str(generated)], check=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (source, count) in ROWS.items():
        lines = (generated / f"{source}.jsonl").read_text("utf-8").splitlines(keepends=True)
        (folder / f"{name}.jsonl").write_text("".join(lines[:count]), "utf-8")
    intents = list(json.loads((generated / "banking-test-intents.json").read_text("utf-8")).items())
    _write_table(folder / "intents-train.csv", ("text", "label"), intents[::2])
    known = {intent for _, intent in intents[::2]}
    _write_table(folder / "intents-test.csv", ("text", "label"), [row for row in intents[1::2] if row[1] in known])
    strangers = (generated / "out-of-scope-train.jsonl").read_text("utf-8").splitlines()[:STRANGERS]
    _write_table(folder / "strangers.csv", ("text",), [(json.loads(line)["instruction"],) for line in strangers])


def _write_table(path: Path, columns: tuple[str, ...], rows: list[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)


if __name__ == "__main__":
    prepare(BUILD / "methods")
    upload(BUILD / "methods", "methods")
