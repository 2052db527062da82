"""Reads JSONL, JSON, CSV and Parquet into numbered rows. Errors name the row, never what is in it."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from banktuner_trainer.errors import TrainerError, invalid_data

Values = dict[str, Any]
MAX_ROW_BYTES = 4 * 1024 * 1024
"""Of a line, and of a single text. About a million tokens: more is a file without line breaks, not a row."""
BOM = b"\xef\xbb\xbf"


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
        rows = [_bounded(row) for row in reader(path)]
    except TrainerError as error:
        raise invalid_data(error.message, field) from None
    if not rows:
        raise invalid_data("the file has no rows", field)
    return rows


def _jsonl(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in _lines(file, "row"):
            if line.strip():
                yield Row(number, _object(_parse(line, f"row {number}"), number))


def _json(path: Path) -> Iterator[Row]:
    content = _parse(_text(path.read_bytes().removeprefix(BOM)), "the file")
    if isinstance(content, dict):
        lists = [value for value in content.values() if isinstance(value, list)]
        if len(lists) > 1:
            raise invalid_data("the file is an object that holds several lists: leave the one with the rows")
        content = lists[0] if lists else None
    if not isinstance(content, list):
        raise invalid_data("the file must be a JSON list of objects, or an object that holds one")
    for number, value in enumerate(content, start=1):
        yield Row(number, _object(value, number))


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_ROW_BYTES)
    with path.open("rb") as file:
        reader = csv.DictReader((line for _, line in _lines(file, "line")), strict=True)
        try:
            names = reader.fieldnames or []
            if len(set(names)) < len(names):
                raise invalid_data("the header names a column twice")
            for number, values in enumerate(reader, start=1):
                if None in values or None in values.values():
                    raise invalid_data(f"row {number} does not have as many columns as the header")
                yield Row(number, values)
        except csv.Error as error:
            raise invalid_data(f"line {reader.line_num} is not CSV: {error}") from None


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        raise invalid_data(f"the file is not Parquet: {type(error).__name__}") from None
    number = 0
    for batch in table.to_batches(max_chunksize=1000):
        for values in _records(batch, number):
            number += 1
            yield Row(number, values)


def _records(batch: Any, before: int) -> list[Values]:
    """The rows of a record batch; `before` rows came before it. One at a time only to find the bad one."""
    try:
        return batch.to_pylist()
    except UnicodeDecodeError:
        for index in range(batch.num_rows):
            try:
                batch.slice(index, 1).to_pylist()
            except UnicodeDecodeError:
                raise invalid_data(f"row {before + index + 1} has text that is not UTF-8") from None
        raise


def _lines(file: BinaryIO, what: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, counted from 1, without reading more of a line than a row may have."""
    number = 0
    while line := file.readline(MAX_ROW_BYTES + 1):
        number += 1
        if len(line) > MAX_ROW_BYTES:
            raise invalid_data(
                f"{what} {number} is longer than {MAX_ROW_BYTES} bytes: split its text over several rows"
            )
        try:
            yield number, (line.removeprefix(BOM) if number == 1 else line).decode()
        except UnicodeDecodeError as error:
            raise invalid_data(f"{what} {number} is not UTF-8 text (byte {error.start + 1} of it)") from None


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise invalid_data(f"line {line} is not UTF-8 text") from None


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise invalid_data(f"{where} is not JSON: {error.msg} at {line}column {error.colno}") from None
    except (ValueError, RecursionError):
        raise invalid_data(f"{where} is not JSON that can be read: a number too long, or lists too deep") from None


def _object(value: Any, number: int) -> Values:
    """A row's columns. A pair of strings is a text with its label, as CLINC150 writes it."""
    if isinstance(value, list) and len(value) == 2 and all(isinstance(part, str) for part in value):
        return {"text": value[0], "label": value[1]}
    if not isinstance(value, dict):
        raise invalid_data(f"row {number} is not a JSON object")
    return value


def _bounded(row: Row) -> Row:
    for value in row.values.values():
        if isinstance(value, str) and len(value) > MAX_ROW_BYTES:
            raise invalid_data(f"row {row.number} has a text of {len(value)} characters: split it over several rows")
    return row


_READERS = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
