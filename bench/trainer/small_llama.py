"""A Llama with random weights and the project's own rows for it: what the trainer's speed is measured with."""

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from banktuner_api.finetunejob_data import Architecture
from banktuner_trainer.data.encode import IGNORED, Encoded, encode_conversations
from banktuner_trainer.data.forms import Conversation, Message
from banktuner_trainer.models import ensure_chat_template
from banktuner_trainer.scratch_model import train_tokenizer
from banktuner_trainer.templates import ALPACA_FRAME
from bench.places import ROOT

EARLIER_TURNS = (0, 0, 0, 0, 0, 0, 0, 1, 1, 2)
"""How many questions and answers stand before a row's own; the mean row has about 60 tokens."""
SEED = 7


@dataclass(frozen=True)
class Shape:
    """Of a Llama. The vocabulary has rows for tokens that the tokenizer does not know, as large models' has."""

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    key_value_heads: int
    vocabulary: int = 32_000
    tied: bool = False


LLAMA_15M = Shape(288, 768, 6, 6, 6, tied=True)
TINYLLAMA = Shape(2048, 5632, 22, 32, 4)
LLAMA2_7B = Shape(4096, 11008, 32, 32, 32)


def generated(scratch: Path) -> Path:
    """The folder of the project's own questions and answers."""
    folder = scratch / "dataset"
    command = [sys.executable, str(ROOT / "examples" / "dataset" / "generate.py"), "--seed", str(SEED)]
    subprocess.run([*command, "--out", str(folder)], check=True, stdout=subprocess.DEVNULL)
    return folder


def model_folder(scratch: Path, name: str, shape: Shape, dataset: Path) -> Path:
    """The folder of a model of that shape and of its tokenizer, as a job would be given it."""
    folder = scratch / "models" / name
    if (folder / "config.json").exists():
        return folder
    tokenizer = new_tokenizer(dataset / "banking-train.jsonl", shape.vocabulary)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        tie_word_embeddings=shape.tied,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(SEED)
    AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    return folder


def new_tokenizer(rows: Path, vocabulary: int) -> Any:
    """One that learnt the words of the rows' questions and answers."""
    texts = [text for row in read(rows) for text in (ALPACA_FRAME, row["instruction"], row["input"], row["output"])]
    tokenizer = train_tokenizer(texts, Architecture(vocabulary_size=vocabulary, context_length=2048))
    ensure_chat_template(tokenizer)
    return tokenizer


def rows_of_turns(tokenizer: Any, path: Path, count: int) -> list[Encoded]:
    """`count` conversations of one to three turns, loss on the last answer alone."""
    draw = random.Random(SEED)
    pairs = read(path)
    draw.shuffle(pairs)
    rows: list[Encoded] = []
    for _ in range(count):
        own = [pairs.pop() for _ in range(1 + draw.choice(EARLIER_TURNS))]
        messages: list[Message] = []
        for pair in own:
            messages.append({"role": "user", "content": f"{pair['instruction']} {pair['input']}".strip()})
            messages.append({"role": "assistant", "content": pair["output"]})
        whole = encode_conversations(tokenizer, [Conversation(len(rows), messages)], 2048)[0]
        answer = encode_conversations(tokenizer, [Conversation(len(rows), messages[-2:])], 2048)[0].targets
        prompt = len(whole.input_ids) - answer
        rows.append(Encoded(whole.input_ids, [IGNORED] * prompt + whole.input_ids[prompt:]))
    return rows


def read(path: Path) -> list[dict[str, str]]:
    """JSON objects, one a line."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
