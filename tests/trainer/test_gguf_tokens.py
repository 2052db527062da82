"""Tokenizers in GGUF: llama.cpp makes the same token ids; one that it would split otherwise is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from banktuner_api.finetunejob_data import Architecture
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.export.gguf_files import write_model
from banktuner_trainer.export.gguf_vocabulary import vocabulary_of
from banktuner_trainer.scratch_model import train_tokenizer
from banktuner_trainer.templates import alpaca_chat_template
from tests.trainer.gguf_support import TEXTS, WORDS, byte_level, llama_cpp, new_model, sentencepiece

ZEPHYR = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
"""TinyLlama's; its <|user|> is no special token."""
TALK = [
    {"role": "system", "content": WORDS[4]},
    {"role": "user", "content": WORDS[0]},
    {"role": "assistant", "content": WORDS[2]},
    {"role": "user", "content": "and 3 cards?"},
]
TOKENIZERS: dict[str, Any] = {
    "scratch": lambda: train_tokenizer(WORDS, Architecture(vocabulary_size=400)),
    "gpt-2": lambda: byte_level("gpt-2"),
    "llama-bpe": lambda: byte_level("llama-bpe"),
    "normalizer": lambda: sentencepiece("normalizer"),
    "always": lambda: sentencepiece("always"),
    "first": lambda: sentencepiece("first"),
}


def written(folder: Path, tokenizer: Any) -> Path:
    """A GGUF file with this tokenizer and hardly a model."""
    new_model("llama", len(tokenizer) + 3, num_hidden_layers=1).half().save_pretrained(folder)
    write_model(folder, tokenizer, folder / "model.gguf")
    return folder / "model.gguf"


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_llama_cpp_makes_the_same_tokens(tmp_path: Path, kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    tokenizer.chat_template = ZEPHYR if kind in ("first", "always") else alpaca_chat_template(with_bos=False)
    # transformers puts no second space before a text that begins with one; llama.cpp does.
    texts = [text for text in TEXTS if kind != "always" or not text.startswith((" ", "\u2581"))]
    file = written(tmp_path, tokenizer)
    if kind == "first":
        texts = []
    read = llama_cpp(file, texts=texts)
    assert read["tokens"] == [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    assert read["begun"] == [tokenizer(text)["input_ids"] for text in texts]
    assert_talk_has_the_same_tokens(file, tokenizer, read["metadata"])


def assert_talk_has_the_same_tokens(file: Path, tokenizer: Any, metadata: dict[str, str]) -> None:
    """A conversation as trained on, and as llama.cpp renders it with the template of the file."""
    trained = tokenizer.apply_chat_template(TALK, add_generation_prompt=True, tokenize=False)
    served = tokenizer.apply_chat_template(
        TALK, add_generation_prompt=True, tokenize=False, chat_template=metadata["tokenizer.chat_template"]
    )
    expected = tokenizer(trained, add_special_tokens=False)["input_ids"]
    assert len(expected) > 60
    assert llama_cpp(file, texts=[served])["tokens"] == [expected]


def test_special_tokens_and_flags_are_told(tmp_path: Path) -> None:
    tokenizer = byte_level("llama-bpe")
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    metadata = llama_cpp(written(tmp_path, tokenizer))["metadata"]
    expected = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "llama-bpe",
        "tokenizer.ggml.bos_token_id": str(tokenizer.bos_token_id),
        "tokenizer.ggml.eos_token_id": str(tokenizer.eos_token_id),
        "tokenizer.ggml.padding_token_id": str(tokenizer.pad_token_id),
        "tokenizer.ggml.add_bos_token": "true",
        "tokenizer.ggml.add_eos_token": "false",
        "tokenizer.chat_template": "{{ messages[0]['content'] }}",
        "general.architecture": "llama",
        "general.type": "model",
        "general.file_type": "1",
    }
    assert metadata.items() >= expected.items()


def refusal(tokenizer: Any) -> str:
    with pytest.raises(TrainerError) as caught:
        vocabulary_of(tokenizer, len(tokenizer))
    assert caught.value.field == "spec.output.formats"
    return caught.value.message


def changed(tokenizer: Any, change: Any) -> Any:
    """A copy of a tokenizer whose JSON was changed."""
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    change(content)
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(content)))


def test_tokenizers_that_llama_cpp_would_split_otherwise_are_refused() -> None:
    gpt2, llama2 = byte_level("gpt-2"), sentencepiece("first")
    words = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]")))
    assert "of type WordPiece" in refusal(words)
    gpt2.backend_tokenizer.normalizer = normalizers.Lowercase()
    assert "changes texts" in refusal(gpt2)
    gpt2.backend_tokenizer.normalizer = None
    for other in (
        pre_tokenizers.ByteLevel(add_prefix_space=True),
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.ByteLevel(False)]),
        pre_tokenizers.Sequence([pre_tokenizers.Punctuation(), pre_tokenizers.ByteLevel(False)]),
    ):
        gpt2.backend_tokenizer.pre_tokenizer = other
        assert "splits texts in a way" in refusal(gpt2)
    assert "splits texts in a way" in refusal(
        changed(byte_level("llama-bpe"), lambda content: content["model"].update(ignore_merges=False))
    )
    assert "handles spaces" in refusal(
        changed(llama2, lambda content: content["pre_tokenizer"].update(split=True)),
    )
    assert "no order" in refusal(changed(llama2, later_merge))


def later_merge(content: dict[str, Any]) -> None:
    """One of several ways to make a piece comes after all other pieces."""
    merges = content["model"]["merges"]
    pieces = ["".join(pair) for pair in merges]
    first = next(number for number, piece in enumerate(pieces) if pieces.count(piece) > 1)
    merges.append(merges.pop(first))
