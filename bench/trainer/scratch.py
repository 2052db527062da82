"""The banking language model from scratch: the mission's shape on the project's 10,000 questions and answers."""

import calendar
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from bench.rows import Measurement, Row, Settings
from bench.trainer.jobs import Files, run_job
from bench.trainer.small_llama import generated, read

BATCH = 50
LONGEST_ANSWER = 64
MONTHS = "|".join(calendar.month_name[1:])
VALUE = re.compile(rf"\$?\d[\d.,]*\b%?|(?:{MONTHS}) \d+|(?<=\bat )[A-Z]\w+(?: [A-Z]\w+)*|(?<=\bto )[A-Z]\w+")
"""What an answer takes over from the question or the account: amounts, rates, days, shops, people."""
SPEC = {
    "task": "Pretraining",
    "method": "Full",
    "model": {
        "architecture": {
            "family": "Llama",
            "hiddenSize": 512,
            "layers": 6,
            "heads": 8,
            "vocabularySize": 10000,
            "contextLength": 512,
        }
    },
    "dataset": {"uri": "s3://bench/train.jsonl", "testUri": "s3://bench/test.jsonl", "format": "Alpaca"},
    "training": {"epochs": 3, "batchSize": 16, "learningRate": 0.001, "warmupPercent": 5, "packing": False},
    "evaluation": {"suites": ["Perplexity"]},
    "output": {"uri": "s3://bench/out"},
}


def from_scratch(settings: Settings) -> list[Row]:
    """One job; then its artifact is loaded as any reader would and asked every held-out question."""
    dataset = generated(settings.scratch)
    files = Files(None, dataset / "banking-train.jsonl", dataset / "banking-test.jsonl")
    done = run_job(settings.scratch / "from-scratch", SPEC, files)
    rows = read(dataset / "banking-test.jsonl")
    answers = _answers(done.folder, rows, settings.device)
    accuracy = _right_intents(rows, answers, dataset)
    exact = sum(answer == row["output"] for row, answer in zip(rows, answers, strict=True)) / len(rows)
    perplexity, size = done.metrics["perplexity"], done.metrics["trainable_parameters"]
    what = f"{size / 1e6:.1f} M parameters, trained in {done.seconds / 60:.1f} minutes with evaluation"
    peer = f"none; of every token of the held-out pairs; {what}"
    asked = "none; greedy answers of the loaded artifact, 500 phrasings that no training file holds"
    return [
        Row("scratch_perplexity", perplexity, "", 12.4, peer, [perplexity], lower_is_better=True),
        Row("scratch_answer_accuracy", accuracy, "share", 0.95, asked, [accuracy]),
        Row("scratch_exact_answers", exact, "share", None, "the same answers, every value in them right too", [exact]),
    ]


def _right_intents(rows: Sequence[dict[str, str]], answers: Sequence[str], dataset: Path) -> float:
    """Share of held-out questions whose greedy answer is one of their intent, whatever values stand in it.

    An answer's intent is that of the test answer which it equals when the values of both are left out.
    """
    intents: dict[str, str] = json.loads((dataset / "banking-test-intents.json").read_text(encoding="utf-8"))
    intent_of = {VALUE.sub("", row["output"]): intents[row["instruction"]] for row in rows}
    said = (intent_of.get(VALUE.sub("", answer)) for answer in answers)
    return sum(intent == intents[row["instruction"]] for row, intent in zip(rows, said, strict=True)) / len(rows)


def _answers(folder: Path, rows: list[dict[str, str]], device: str) -> list[str]:
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    answers: list[str] = []
    for start in range(0, len(rows), BATCH):
        texts = [_prompt(tokenizer, row) for row in rows[start : start + BATCH]]
        batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False).to(device)
        with torch.inference_mode():
            generated_ids = model.generate(**batch, max_new_tokens=LONGEST_ANSWER, do_sample=False)
        replies = generated_ids[:, batch["input_ids"].shape[1] :]
        answers.extend(text.strip() for text in tokenizer.batch_decode(replies, skip_special_tokens=True))
    return answers


def _prompt(tokenizer: Any, row: dict[str, str]) -> str:
    content = f"{row['instruction']}\n\n### Input:\n{row['input']}" if row["input"] else row["instruction"]
    messages = [{"role": "user", "content": content}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


MEASUREMENTS = (Measurement(("scratch_perplexity", "scratch_answer_accuracy", "scratch_exact_answers"), from_scratch),)
