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


def test_rows_without_target_in_reach_are_left_out_and_told(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    rows = [
        Conversation(4, conversation("What is the fee? " * 20, "25").messages),
        Conversation(5, conversation("a?", "b").messages),
        Conversation(6, conversation("a?", "The fee is 25 dollars. " * 20).messages),
    ]
    shares: list[float] = []
    left = encode_conversations(tokenizer, rows, 40, told=shares.append)
    assert [len(row.input_ids) for row in left] == [len(left[0].input_ids), 40]
    assert "1 of 3 rows are left out, their answers begin beyond spec.training.maxLength" in caplog.text
    assert "(rows 4)" in caplog.text
    assert "1 of 3 rows are cut" in caplog.text
    assert "(rows 6)" in caplog.text
    assert shares == [1.0]


@pytest.mark.parametrize("share", [0.5, 0.6, 0.8, 1.0])
def test_loss_is_on_replies_only_wherever_a_chat_is_cut(tokenizer: Any, share: float) -> None:
    chat = conversation("What is the fee?", "The fee is 25.", "And for a wire transfer?", "The fee is 30.", "?", "Yes.")
    system = {"role": "system", "content": "You are a bank."}
    [row] = encode_conversations(tokenizer, [Conversation(1, [system, *chat.messages])], 256)
    length = int(share * len(row.input_ids))
    [cut] = encode_conversations(tokenizer, [Conversation(1, [system, *chat.messages])], length)
    assert learned(tokenizer, row) == "The fee is 25.</s>The fee is 30.</s>Yes.</s>"
    assert (cut.input_ids, cut.labels) == (row.input_ids[:length], row.labels[:length])
    assert all(label in (IGNORED, token) for token, label in zip(row.input_ids, row.labels, strict=True))


def test_a_reply_that_the_template_rewrites_later_carries_no_loss(tokenizer: Any) -> None:
    """Some templates drop the thoughts of earlier replies: what is not in the last text cannot be learned from it."""
    own = train_tokenizer(["a fee"], Architecture(vocabulary_size=300, context_length=256))
    own.chat_template = (
        "{% for m in messages %}{{ '<' + m['role'] + '>' }}"
        "{{ m['content'] if loop.last or m['role'] == 'user' else m['content'].split('|')[-1] }}{{ eos_token }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
    )
    [row] = encode_conversations(own, [conversation("a?", "thought|first", "b?", "thought|second")], 256)
    assert own.decode(row.input_ids) == ("<user>a?</s><assistant>first</s><user>b?</s><assistant>thought|second</s>")
    assert learned(own, row) == "thought|second</s>"


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
