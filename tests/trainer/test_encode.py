"""What the model sees and what it is asked to predict; training and serving must render the same text."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_api.finetunejob_data import Architecture
from banktuner_trainer.data.encode import IGNORED, encode_conversations, encode_documents, render
from banktuner_trainer.data.forms import Conversation, Document
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.models import ensure_chat_template
from banktuner_trainer.scratch_model import train_tokenizer

CHATML = (
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    texts = ["What is the fee for a wire transfer?", "The fee is 25 dollars.", "### Instruction:\n### Response:\n"]
    made = train_tokenizer(texts, Architecture(vocabulary_size=320, context_length=256))
    ensure_chat_template(made)
    return made


def conversation(*contents: str) -> Conversation:
    roles = ["user", "assistant"] * len(contents)
    return Conversation(1, [{"role": role, "content": text} for role, text in zip(roles, contents, strict=False)])


def learned(tokenizer: Any, row: Any) -> str:
    return str(tokenizer.decode([label for label in row.labels if label != IGNORED]))


def test_alpaca_template_is_the_missions_text(tokenizer: Any) -> None:
    row = conversation("Sum up\n\n### Input:\na text", "short")
    text = render(tokenizer, row.messages, 1)
    assert text == "<s>### Instruction:\nSum up\n\n### Input:\na text\n\n### Response:\nshort</s>"
    assert render(tokenizer, row.messages[:1], 1, prompt=True) == text.removesuffix("short</s>")


def test_loss_is_on_the_answer_and_its_end_only(tokenizer: Any) -> None:
    [row] = encode_conversations(tokenizer, [conversation("What is the fee?", "The fee is 25 dollars.")], 256)
    assert learned(tokenizer, row) == "The fee is 25 dollars.</s>"
    assert row.labels[-1] == tokenizer.eos_token_id
    assert row.input_ids[0] == tokenizer.bos_token_id
    assert row.input_ids.count(tokenizer.bos_token_id) == 1


def test_the_prompt_is_tokenised_as_serving_does(tokenizer: Any) -> None:
    row = conversation("What is the fee?", " The fee")
    [encoded] = encode_conversations(tokenizer, [row], 256)
    served = tokenizer.apply_chat_template(row.messages[:1], add_generation_prompt=True, return_dict=False)
    assert encoded.input_ids[: len(served)] == served
    assert encoded.labels[: len(served)] == [IGNORED] * len(served)


def test_every_reply_of_a_chat_is_learned(tokenizer: Any) -> None:
    [row] = encode_conversations(tokenizer, [conversation("a?", "first", "b?", "second")], 256)
    assert learned(tokenizer, row) == "first</s>second</s>"


def test_a_models_own_template_is_used_and_sees_plain_input(tokenizer: Any) -> None:
    own = train_tokenizer(["a fee"], Architecture(vocabulary_size=300, context_length=256))
    own.chat_template = CHATML
    ensure_chat_template(own)
    [row] = encode_conversations(own, [conversation("Sum up\n\n### Input:\na text", "short")], 256)
    assert own.decode(row.input_ids) == "<|user|>\nSum up\n\na text</s>\n<|assistant|>\nshort</s>\n"
    assert learned(own, row) == "short</s>\n"


def test_full_text_loss_covers_everything(tokenizer: Any) -> None:
    [row] = encode_conversations(tokenizer, [conversation("a?", "b")], 256, full_text=True)
    assert row.labels == row.input_ids


def test_rows_without_target_in_reach_are_left_out(tokenizer: Any) -> None:
    rows = [conversation("What is the fee? " * 20, "25"), conversation("a?", "b")]
    assert len(encode_conversations(tokenizer, rows, 40)) == 1


def test_long_documents_continue_in_further_rows(tokenizer: Any) -> None:
    text = "The fee is 25 dollars. " * 30
    rows = encode_documents(tokenizer, [Document(1, text)], 64)
    assert len(rows) > 1
    assert all(len(row.input_ids) <= 64 and row.labels == row.input_ids for row in rows)
    joined = [token for row in rows for token in row.input_ids]
    assert tokenizer.decode(joined) == f"<s>{text}</s>"


def test_a_template_that_refuses_a_row_names_it(tokenizer: Any) -> None:
    own = train_tokenizer(["a"], Architecture(vocabulary_size=300, context_length=64))
    own.chat_template = "{{ raise_exception('Only user and assistant roles are supported!') }}"
    with pytest.raises(TrainerError, match=r"row 1: .*Only user and assistant"):
        encode_conversations(own, [conversation("a", "b")], 64)


def test_tokenizer_round_trips_any_text(tokenizer: Any, tmp_path: Path) -> None:
    text = "Überweisung: 1234,50 € → 日本"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
    digits = tokenizer.convert_ids_to_tokens(tokenizer("2024", add_special_tokens=False)["input_ids"])
    assert digits == ["2", "0", "2", "4"]
