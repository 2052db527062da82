"""Conversations and documents as token ids with labels; -100 marks tokens that carry no loss."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2.exceptions import TemplateError

from banktuner_trainer.data.forms import Conversation, Document, Message
from banktuner_trainer.data.quality import shown
from banktuner_trainer.errors import invalid_data
from banktuner_trainer.templates import ALPACA_INPUT, is_alpaca

logger = logging.getLogger(__name__)

IGNORED = -100
CHUNK = 1000
"""Rows tokenised at once: large enough to keep the tokenizer's threads busy, small enough to stop in between."""


@dataclass(frozen=True)
class Encoded:
    """Token ids of one row, and as many labels."""

    input_ids: list[int]
    labels: list[int]

    @property
    def targets(self) -> int:
        """Tokens that carry loss. The first token of a row is never predicted."""
        return sum(label != IGNORED for label in self.labels[1:])


Told = Callable[[float], object]
"""Is told the share of the rows that is done, 0 to 1."""


def encode_conversations(
    tokenizer: Any, rows: Sequence[Conversation], max_length: int, full_text: bool = False, told: Told = float
) -> list[Encoded]:
    """Each conversation as the model's chat template renders it, cut to `max_length` tokens.

    Loss on the assistant's words only, or on everything with `full_text`. Rows whose every target lies beyond
    `max_length` are left out; the log tells of them. Raises TrainerError (InvalidData) where the template refuses a
    row.
    """
    encoded: list[Encoded] = []
    for start in range(0, len(rows), CHUNK):
        part = [_suited(tokenizer, row) for row in rows[start : start + CHUNK]]
        encoded.extend(_encode_full(tokenizer, part) if full_text else _encode_replies(tokenizer, part))
        told(len(encoded) / len(rows))
    cut = [Encoded(row.input_ids[:max_length], row.labels[:max_length]) for row in encoded]
    _tell_cut(rows, encoded, cut, max_length)
    return [row for row in cut if row.targets]


def _tell_cut(rows: Sequence[Conversation], encoded: list[Encoded], cut: list[Encoded], max_length: int) -> None:
    pairs = list(zip(rows, encoded, cut, strict=True))
    lost = [row.number for row, _, kept in pairs if not kept.targets]
    short = [row.number for row, whole, kept in pairs if kept.targets and len(whole.labels) > max_length]
    for numbers, what in ((lost, "left out, their answers begin"), (short, "cut, their answers end")):
        if numbers:
            message = "data: %d of %d rows are %s beyond spec.training.maxLength, %d tokens (rows %s)"
            logger.warning(message, len(numbers), len(rows), what, max_length, shown(numbers))


def encode_documents(tokenizer: Any, rows: Sequence[Document], max_length: int, told: Told = float) -> list[Encoded]:
    """Each text between begin- and end-of-text; longer ones continue in rows of their own. Loss on everything."""
    encoded: list[Encoded] = []
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    for start in range(0, len(rows), CHUNK):
        for ids in _ids(tokenizer, [row.text for row in rows[start : start + CHUNK]]):
            whole = [*begin, *ids, tokenizer.eos_token_id]
            pieces = (whole[at : at + max_length] for at in range(0, len(whole), max_length))
            encoded.extend(Encoded(piece, list(piece)) for piece in pieces if len(piece) > 1)
        told(min(1.0, (start + CHUNK) / len(rows)))
    return encoded


def _suited(tokenizer: Any, row: Conversation) -> Conversation:
    """Our own template spells out the input of an Alpaca row; a model's own template gets plain text."""
    if is_alpaca(tokenizer.chat_template):
        return row
    plain = [message | {"content": message["content"].replace(ALPACA_INPUT, "\n\n", 1)} for message in row.messages]
    return Conversation(row.number, plain)


def _encode_full(tokenizer: Any, rows: Sequence[Conversation]) -> list[Encoded]:
    texts = [render(tokenizer, row.messages, row.number) for row in rows]
    return [Encoded(ids, list(ids)) for ids in _ids(tokenizer, texts)]


def _encode_replies(tokenizer: Any, rows: Sequence[Conversation]) -> list[Encoded]:
    """Tokenise, for each reply, the text before it and the text with it, all rows at once."""
    places = [(index, turn) for index, row in enumerate(rows) for turn in _reply_turns(row.messages)]
    before = [_render_until(tokenizer, rows[index], turn, prompt=True) for index, turn in places]
    after = [_render_until(tokenizer, rows[index], turn + 1, prompt=False) for index, turn in places]
    spans: list[list[tuple[list[int], list[int]]]] = [[] for _ in rows]
    pairs = zip(places, before, after, _ids(tokenizer, before), _ids(tokenizer, after), strict=True)
    for (index, _), prompt, whole, prompt_ids, whole_ids in pairs:
        if whole_ids[: len(prompt_ids)] != prompt_ids and whole.startswith(prompt):
            # A token spans the border. Serving tokenises the prompt alone, so training does too.
            whole_ids = prompt_ids + _ids(tokenizer, [whole[len(prompt) :]])[0]
        spans[index].append((prompt_ids, whole_ids))
    return [_labelled(row_spans) for row_spans in spans]


def _labelled(spans: list[tuple[list[int], list[int]]]) -> Encoded:
    """The last reply's text is the row; a reply carries loss where its own text is the beginning of that."""
    ids = spans[-1][1]
    labels = [IGNORED] * len(ids)
    for prompt_ids, whole_ids in spans:
        start, end = len(prompt_ids), len(whole_ids)
        if ids[:end] == whole_ids and ids[:start] == prompt_ids:
            labels[start:end] = ids[start:end]
    return Encoded(ids, labels)


def _reply_turns(messages: Sequence[Message]) -> list[int]:
    return [turn for turn, message in enumerate(messages) if message["role"] == "assistant"]


def _render_until(tokenizer: Any, row: Conversation, turn: int, prompt: bool) -> str:
    return render(tokenizer, row.messages[:turn], row.number, prompt=prompt)


def render(tokenizer: Any, messages: Sequence[Message], number: int, prompt: bool = False) -> str:
    """The text of a conversation; with `prompt`, up to where the assistant's reply begins."""
    try:
        text = tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=prompt)
    except TemplateError as error:
        message = f"row {number}: the model's chat template refuses it: {error.message or type(error).__name__}"
        raise invalid_data(message) from None
    return str(text)


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Ids of texts that already carry their special tokens."""
    ids: list[list[int]] = tokenizer(texts, add_special_tokens=False, return_attention_mask=False)["input_ids"]
    return ids
