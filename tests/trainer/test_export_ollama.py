"""Ollama's TEMPLATE, run by Go's own text/template as Ollama runs it, writes what the chat template writes."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from banktuner_trainer.export.ollama import NO_TEMPLATE, modelfile
from banktuner_trainer.templates import alpaca_chat_template
from tests.trainer.gguf_support import byte_level, sentencepiece

OLLAMA = """
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type Message struct {
	Role, Content string
}

func main() {
	var task struct {
		Templates []string
		Talks     [][]*Message
	}
	check(json.NewDecoder(os.Stdin).Decode(&task))
	texts := [][]string{}
	for _, source := range task.Templates {
		parsed := template.Must(template.New("").Option("missingkey=zero").Parse(source))
		rendered := []string{}
		for _, talk := range task.Talks {
			var text strings.Builder
			check(parsed.Execute(&text, map[string]any{"Messages": talk, "System": "", "Response": ""}))
			rendered = append(rendered, text.String())
		}
		texts = append(texts, rendered)
	}
	check(json.NewEncoder(os.Stdout).Encode(texts))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
"""
EACH = "{% for message in messages %}"
ASK = "{% endfor %}{% if add_generation_prompt %}"
BANG = "{% endif %}"
CHATML = (
    EACH
    + "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    + ASK
    + "{{ '<|im_start|>assistant\\n' }}"
    + BANG
)
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
    "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
    "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('must alternate') }}{% endif %}"
    "{% if loop.index0 == 0 and system_message != false %}"
    "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}"
    "{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}"
    "{{ ' '  + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    EACH
    + "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim"
    " + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    + ASK
    + "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
    + BANG
)
MISTRAL = (
    "{{ bos_token }}" + EACH + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}"
    "{% else %}{{ raise_exception('no such role') }}{% endif %}{% endfor %}"
)
PHI_3 = (
    "{{ bos_token }}"
    + EACH
    + "{% if (message['role'] == 'user') %}{{'<|user|>' + '\\n' + message['content'] + '<|end|>' + '\\n'"
    " + '<|assistant|>' + '\\n'}}{% elif (message['role'] == 'assistant') %}{{message['content'] + '<|end|>' + '\\n'}}"
    "{% endif %}{% endfor %}"
)
ZEPHYR = (
    EACH
    + "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token + '\\n' }}"
    + ASK
    + "{{ '<|assistant|>\\n' }}"
    + BANG
)
ODD = "{{ bos_token }}" + EACH + "{{ loop.index }}: {{ message['content'] }}\n{% endfor %}"
QUOTING = (
    EACH + "{{ '\"\"\"' + message['role'] + ' {{ \\\\ }} \\t\u00fc' + message['content'] }}" + ASK + "{{ '\"' }}" + BANG
)
TEMPLATES: dict[str, tuple[str, Any]] = {
    "Alpaca": (alpaca_chat_template(with_bos=True), lambda: sentencepiece("normalizer")),
    "ChatML": (CHATML, lambda: byte_level("gpt-2")),
    "Llama-2": (LLAMA_2, lambda: sentencepiece("first")),
    "Llama-3": (LLAMA_3, lambda: byte_level("llama-bpe")),
    "Mistral": (MISTRAL, lambda: sentencepiece("normalizer")),
    "Phi-3": (PHI_3, lambda: sentencepiece("first")),
    "Quoting": (QUOTING, lambda: byte_level("gpt-2")),
    "Zephyr": (ZEPHYR, lambda: sentencepiece("first")),
}
SYSTEM = ("system", "You answer questions on cards.\nBe brief.")
TALK = [("user", 'My card\'s gone: {{ .Content }} """ \\n'), ("assistant", "Blocked."), ("user", "Thanks! Fee?")]
TALKS = [TALK[:1], TALK, [SYSTEM, *TALK[:1]], [SYSTEM, *TALK]]


def tokenizer_with(name: str) -> Any:
    template, make = TEMPLATES[name]
    tokenizer = make()
    tokenizer.chat_template = template
    return tokenizer


def template_in(file: str) -> str:
    """The text between TEMPLATE's triple quotes, as Ollama's parser takes it: up to the next three."""
    found = re.search(r'^TEMPLATE """(.*?)"""$', file, re.MULTILINE | re.DOTALL)
    assert found, file
    return found[1]


def rendered_by_go(folder: Path, templates: list[str]) -> list[list[str]]:
    (folder / "main.go").write_text(OLLAMA, encoding="utf-8")
    talks = [[{"Role": role, "Content": content} for role, content in talk] for talk in TALKS]
    task = json.dumps({"Templates": templates, "Talks": talks})
    run = subprocess.run(["go", "run", "main.go"], cwd=folder, input=task, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    texts: list[list[str]] = json.loads(run.stdout)
    return texts


def expected(tokenizer: Any, talk: list[tuple[str, str]], name: str) -> str:
    """What was trained on, without what llama.cpp adds to it by itself."""
    if name in ("Mistral", "Phi-3"):  # no system message there: it is left out
        talk = [turn for turn in talk if turn[0] != "system"]
    messages = [{"role": role, "content": content} for role, content in talk]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    if tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id:
        text = text.removeprefix(tokenizer.bos_token)
    return f" {text}" if name == "Zephyr" else text


def test_go_renders_what_the_chat_template_does(tmp_path: Path) -> None:
    tokenizers = {name: tokenizer_with(name) for name in TEMPLATES}
    templates = [template_in(modelfile(tokenizer)) for tokenizer in tokenizers.values()]
    for (name, tokenizer), texts in zip(tokenizers.items(), rendered_by_go(tmp_path, templates), strict=True):
        assert texts == [expected(tokenizer, talk, name) for talk in TALKS], name


@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("Alpaca", ["</s>", "### Instruction:"]),
        ("ChatML", ["<|endoftext|>", "<|im_end|>"]),
        ("Llama-2", ["</s>", "[INST]"]),
        ("Llama-3", ["<|eot_id|>", "<|start_header_id|>user<|end_header_id|>"]),
        ("Phi-3", ["</s>", "<|end|>"]),
        ("Zephyr", ["</s>", "<|user|>"]),
    ],
)
def test_modelfile(name: str, stops: list[str]) -> None:
    lines = modelfile(tokenizer_with(name)).splitlines()
    assert lines[1] == "FROM ./model.gguf"
    assert lines[2].startswith('TEMPLATE """{{')
    assert lines[3:] == [f'PARAMETER stop "{stop}"' for stop in stops]


@pytest.mark.parametrize("template", [ODD, CHATML + "{{ strftime_now('%Y') }}", None])
def test_no_template_is_better_than_a_wrong_one(template: str | None) -> None:
    tokenizer = byte_level("gpt-2")
    tokenizer.chat_template = template
    assert modelfile(tokenizer).splitlines()[1:] == ["FROM ./model.gguf", NO_TEMPLATE]
