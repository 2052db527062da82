"""What is read of a staged model's folder: its chat template, its tokenizer, and refusals that say what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_api.finetunejob_data import Architecture
from banktuner_trainer.device import Device
from banktuner_trainer.errors import TrainerError
from banktuner_trainer.models import ensure_chat_template, load_causal, load_tokenizer
from banktuner_trainer.scratch_model import train_tokenizer
from banktuner_trainer.templates import is_alpaca
from tests.trainer.harness import run_config

OWN = "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}{% endfor %}"
CPU = Device(cuda=False, bf16=False, fp16=False)


def tokenizer_in(folder: Path, **changes: Any) -> Any:
    """A tokenizer saved into `folder`, with its configuration changed, and read again."""
    made = train_tokenizer(["what is the fee for a card"] * 3, Architecture(vocabulary_size=300, context_length=64))
    made.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return load_tokenizer(folder)


@pytest.mark.parametrize(
    "template",
    [OWN, [{"name": "default", "template": OWN}, {"name": "tool_use", "template": "{{ tools }}"}]],
    ids=["one", "several"],
)
def test_the_models_own_template_is_used(template: Any, tmp_path: Path) -> None:
    tokenizer = tokenizer_in(tmp_path, chat_template=template)
    ensure_chat_template(tokenizer)
    assert tokenizer.chat_template == OWN


def test_a_template_in_a_file_of_its_own_is_used(tmp_path: Path) -> None:
    tokenizer_in(tmp_path)
    (tmp_path / "chat_template.jinja").write_text(OWN)
    tokenizer = load_tokenizer(tmp_path)
    ensure_chat_template(tokenizer)
    assert tokenizer.chat_template == OWN


@pytest.mark.parametrize("templates", [None, [{"name": "tool_use", "template": "{{ tools }}"}]], ids=["none", "other"])
def test_without_one_the_alpaca_template_is_used(templates: Any, tmp_path: Path) -> None:
    tokenizer = tokenizer_in(tmp_path, **({"chat_template": templates} if templates else {}))
    ensure_chat_template(tokenizer)
    assert is_alpaca(tokenizer.chat_template)
    asked = [{"role": "user", "content": "What is the fee?"}]
    text = tokenizer.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert text == "<s>### Instruction:\nWhat is the fee?\n\n### Response:\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "config.json cannot be read"),
        ("{", "config.json cannot be read"),
        ('{"model_type": "unheard-of"}', "config.json cannot be read"),
        ('{"model_type": "llama", "auto_map": {"AutoModelForCausalLM": "own.Model"}}', "it cannot be loaded"),
    ],
)
def test_folders_that_hold_no_model(content: str | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(TrainerError, match=words) as refusal:
        load_causal(tmp_path, run_config("Instruction", "LoRA"), CPU, vocabulary=10)
    assert refusal.value.reason == "InvalidModel"
