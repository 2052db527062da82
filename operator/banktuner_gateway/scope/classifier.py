"""Asks a classifier's ONNX graph which intent a question has and whether it is a bank's at all; needs no torch.

A folder `onnx/` of a Classification artifact holds classifier.onnx, classifier.json and tokenizer.json.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from banktuner_gateway.graphs import open_graph


@dataclass(frozen=True)
class Judgement:
    """`confidence`: probability of `label` among the labels. `out_of_scope`: probability that the question is none."""

    label: str
    confidence: float
    out_of_scope: float
    rejected: bool


class IntentClassifier:
    """One loaded graph; may be shared by threads."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """`threads`: of one query. Raises OSError, KeyError, ValueError where files are missing or broken."""
        description = json.loads((folder / "classifier.json").read_text(encoding="utf-8"))
        self.labels: list[str] = description["labels"]
        self.threshold = float(description["outOfScope"]["threshold"])
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(int(description["maxLength"]))
        self._session = open_graph(folder / "classifier.onnx", threads)

    def judge(self, texts: Sequence[str]) -> list[Judgement]:
        """One judgement a text, in their order."""
        if not texts:
            return []
        logits, out_of_scope = self.scores(texts)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = shifted / shifted.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        return [
            Judgement(self.labels[label], float(shares[row, label]), float(score), bool(score >= self.threshold))
            for row, (label, score) in enumerate(zip(best, out_of_scope, strict=True))
        ]

    def scores(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """(texts, labels) logits and (texts,) probabilities of being out of scope."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        logits, out_of_scope = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return logits, out_of_scope
