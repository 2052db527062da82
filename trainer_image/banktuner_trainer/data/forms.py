"""Gives rows the meaning of their format: finds the columns and checks every value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from banktuner_api.finetunejob_data import Columns, Format, Preset
from banktuner_trainer.data.presets import PRESETS, TaskPreset
from banktuner_trainer.data.read import Row, Values
from banktuner_trainer.errors import TrainerError, invalid_data
from banktuner_trainer.templates import ALPACA_INPUT

Message = dict[str, str]
ROLES = frozenset({"system", "user", "assistant"})
TEXT_COLUMNS = ("text", "sentence", "query", "question", "content", "utterance")
LABEL_COLUMNS = ("label", "category", "intent", "class", "target")
KIND_COLUMN = "kind"
_FROM_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}


class OutOfScopeKind(StrEnum):
    """How far a question is from a bank's business."""

    IN_DOMAIN = "in-domain"
    GENERAL = "general"


@dataclass(frozen=True)
class Conversation:
    """Messages that end with the assistant's. `number`: of the row it came from.

    `out_of_scope`: of a question that is to be refused; None where it is to be answered.
    """

    number: int
    messages: list[Message]
    out_of_scope: OutOfScopeKind | None = None


@dataclass(frozen=True)
class Document:
    """Plain text."""

    number: int
    text: str


@dataclass(frozen=True)
class Labelled:
    """A text and its class."""

    number: int
    text: str
    label: str


@dataclass(frozen=True)
class OutOfScope:
    """A question that is not a bank's, or (in-domain) one that this assistant does not answer."""

    number: int
    text: str
    kind: OutOfScopeKind


def conversations(rows: Sequence[Row], form: Format, field: str, preset: Preset | None = None) -> list[Conversation]:
    """Rows of Alpaca, PromptCompletion or Chat. Raises TrainerError (InvalidData) that names the first bad row.

    With a preset, rows of format Alpaca may have that preset's columns, and need no instruction of their own.
    """
    convert = _CONVERSATIONS[form]
    if preset is not None and form is Format.ALPACA:
        convert = partial(_preset, preset=PRESETS[preset])
    return [Conversation(row.number, _checked(convert, row, field)) for row in rows]


def documents(rows: Sequence[Row], columns: Columns, field: str) -> list[Document]:
    """Rows of Text. Raises TrainerError (InvalidData)."""
    name = _find(rows, columns.text, TEXT_COLUMNS, "text", field)
    return [Document(row.number, _text(row, name, field)) for row in rows]


def labelled(rows: Sequence[Row], columns: Columns, field: str) -> list[Labelled]:
    """Rows of TextLabel. Raises TrainerError (InvalidData)."""
    text = _find(rows, columns.text, TEXT_COLUMNS, "text", field)
    label = _find(rows, columns.label, LABEL_COLUMNS, "label", field)
    return [Labelled(row.number, _text(row, text, field), _label(row, label, field)) for row in rows]


def out_of_scope(rows: Sequence[Row], columns: Columns, field: str) -> list[OutOfScope]:
    """Rows with a text and maybe a kind, `in-domain` or `general` (default). Raises TrainerError (InvalidData)."""
    named = columns.text if columns.text in rows[0].values else None
    name = _find(rows, named, TEXT_COLUMNS, "text", field)
    return [OutOfScope(row.number, _text(row, name, field), _kind(row, field)) for row in rows]


def refusal(row: OutOfScope, answer: str) -> Conversation:
    """The conversation that teaches to refuse a question."""
    return Conversation(row.number, _exchange(row.text, answer), row.kind)


def _kind(row: Row, field: str) -> OutOfScopeKind:
    value = row.values.get(KIND_COLUMN) or OutOfScopeKind.GENERAL
    if value not in list(OutOfScopeKind):
        known = " nor ".join(OutOfScopeKind)
        raise invalid_data(f"row {row.number}: column '{KIND_COLUMN}' is neither {known}", field)
    return OutOfScopeKind(value)


def _find(rows: Sequence[Row], named: str | None, usual: Sequence[str], role: str, field: str) -> str:
    present = rows[0].values
    if named is not None:
        if named not in present:
            raise invalid_data(f"row {rows[0].number} has no column '{named}'", f"spec.dataset.columns.{role}")
        return named
    found = next((name for name in usual if name in present), None)
    if found is None:
        message = f"no {role} column among the usual names ({', '.join(usual)}): set spec.dataset.columns.{role}"
        raise invalid_data(message, field)
    return found


def _checked(convert: Callable[[Values], list[Message]], row: Row, field: str) -> list[Message]:
    try:
        return convert(row.values)
    except TrainerError as error:
        raise invalid_data(f"row {row.number}: {error.message}", field) from None


def _alpaca(values: Values) -> list[Message]:
    instruction = _string(values, "instruction")
    given = _string(values, "input", required=False)
    user = f"{instruction}{ALPACA_INPUT}{given}" if given else instruction
    return _exchange(user, _string(values, "output"))


def _preset(values: Values, preset: TaskPreset) -> list[Message]:
    """A row's own instruction may be all that it asks; without one the preset's stands before the row's question."""
    own = _string(values, "instruction", required=False)
    parts = {part.heading: _first(values, part.columns, part.required and not own) for part in preset.parts}
    given = {heading: text for heading, text in parts.items() if text}
    single = len(given) == 1
    text = "\n\n".join(text if single else f"{heading}:\n{text}" for heading, text in given.items())
    return _alpaca(
        {
            "instruction": own or preset.instruction,
            "input": text,
            "output": _first(values, preset.output, required=True),
        }
    )


def _first(values: Values, names: Sequence[str], required: bool) -> str:
    """The text of the first column of these that the row has."""
    name = next((name for name in names if values.get(name) is not None), None)
    if name is None and required:
        raise invalid_data(f"no column among the preset's usual names ({', '.join(names)})")
    return "" if name is None else _string(values, name, required)


def _prompt_completion(values: Values) -> list[Message]:
    return _exchange(_string(values, "prompt"), _string(values, "completion"))


def _exchange(user: str, assistant: str) -> list[Message]:
    return [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]


def _chat(values: Values) -> list[Message]:
    raw = values.get("messages", values.get("conversations"))
    if not isinstance(raw, list) or not raw:
        raise invalid_data("column 'messages' must be a list of messages")
    messages = [_message(item) for item in raw]
    if messages[-1]["role"] != "assistant":
        raise invalid_data("the last message must be the assistant's")
    if messages[0]["role"] == "assistant":
        raise invalid_data("the first message must not be the assistant's")
    return messages


def _message(item: Any) -> Message:
    if not isinstance(item, dict):
        raise invalid_data("a message must have 'role' and 'content'")
    role = item.get("role", _FROM_ROLES.get(str(item.get("from"))))
    content = item.get("content", item.get("value"))
    if not isinstance(role, str) or role not in ROLES or not isinstance(content, str) or not content:
        raise invalid_data("a message must have a role (system, user, assistant) and content")
    return {"role": role, "content": _encodable(content, "messages")}


def _string(values: Values, name: str, required: bool = True) -> str:
    value = values.get(name)
    if value is None and not required:
        return ""
    if not isinstance(value, str):
        raise invalid_data(f"column '{name}' is missing" if value is None else f"column '{name}' is not text")
    if required and not value.strip():
        raise invalid_data(f"column '{name}' is empty")
    return _encodable(value, name)


def _encodable(value: str, name: str) -> str:
    """JSON can escape half of a character, which no tokenizer takes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise invalid_data(f"column '{name}' has half of an escaped character") from None
    return value


def _text(row: Row, name: str, field: str) -> str:
    try:
        return _string(row.values, name)
    except TrainerError as error:
        raise invalid_data(f"row {row.number}: {error.message}", field) from None


def _label(row: Row, name: str, field: str) -> str:
    value = row.values.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise invalid_data(f"row {row.number}: column '{name}' is missing, empty or neither text nor a number", field)
    return str(value)


_CONVERSATIONS: dict[Format, Callable[[Values], list[Message]]] = {
    Format.ALPACA: _alpaca,
    Format.PROMPT_COMPLETION: _prompt_completion,
    Format.CHAT: _chat,
}
