"""Reads JSONL, JSON, CSV and Parquet into numbered rows. Errors name the row, never what is in it."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from banktuner_trainer.errors import TrainerError, invalid_data

Values = dict[str, Any]
MAX_FIELD_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One row. `number` counts rows from 1, as an editor counts lines in JSONL."""

    number: int
    values: Values


def read_rows(path: Path, field: str) -> list[Row]:
    """All rows of one file; its suffix says the kind.

    `field` is the spec field that named the file. Raises TrainerError (InvalidData).
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise invalid_data(f"{path.suffix or 'no suffix'}: the name must end in {', '.join(sorted(_READERS))}", field)
    try:
        rows = list(reader(path))
    except TrainerError as error:
        raise invalid_data(error.message, field) from error
    except UnicodeDecodeError as error:
        raise invalid_data("the file is not UTF-8 text", field) from error
    if not rows:
        raise invalid_data("the file has no rows", field)
    return rows


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield Row(number, _object(_parse(line, number), number))


def _json(path: Path) -> Iterator[Row]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise invalid_data(f"line {error.lineno} is not JSON: {error.msg}") from None
    if isinstance(content, dict):
        content = next((value for value in content.values() if isinstance(value, list)), None)
    if not isinstance(content, list):
        raise invalid_data("the file must be a JSON list of objects, or an object that holds one")
    for number, value in enumerate(content, start=1):
        yield Row(number, _object(value, number))


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_FIELD_BYTES)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        try:
            for number, values in enumerate(reader, start=1):
                if None in values or None in values.values():
                    raise invalid_data(f"row {number} does not have as many columns as the header")
                yield Row(number, values)
        except csv.Error as error:
            raise invalid_data(f"line {reader.line_num} is not CSV: {error}") from None


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    try:
        records = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise invalid_data(f"the file is not Parquet: {type(error).__name__}") from None
    for number, values in enumerate(records, start=1):
        yield Row(number, values)


def _parse(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise invalid_data(f"row {number} is not JSON: {error.msg} at column {error.colno}") from None


def _object(value: Any, number: int) -> Values:
    if not isinstance(value, dict):
        raise invalid_data(f"row {number} is not a JSON object")
    return value


_READERS = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
