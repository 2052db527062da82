"""Asks a classifier's ONNX graph which intent a question has and whether it is a bank's at all; needs no torch.

A folder `onnx/` of a Classification artifact holds classifier.onnx, classifier.json and tokenizer.json.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from banktuner_gateway.graphs import open_graph

BATCH = 32
"""Windows in one run of the graph, so that a long text takes no more memory than that."""


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
        """One judgement a text, in their order. A text longer than the graph reads is judged by its strangest part."""
        if not texts:
            return []
        encodings = self._tokenizer.encode_batch(list(texts))
        windows = [(place, part.ids) for place, whole in enumerate(encodings) for part in (whole, *whole.overflowing)]
        worst: dict[int, Judgement] = {}
        for at in range(0, len(windows), BATCH):
            places, rows = zip(*windows[at : at + BATCH], strict=True)
            for place, said in zip(places, self._judgements(rows), strict=True):
                if place not in worst or not said.out_of_scope <= worst[place].out_of_scope:
                    worst[place] = said
        return [worst[place] for place in range(len(texts))]

    def scores(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """(texts, labels) logits and (texts,) probabilities of being out of scope, of what is read of each at once."""
        return self._run([encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))])

    def _judgements(self, rows: Sequence[Sequence[int]]) -> Iterator[Judgement]:
        logits, out_of_scope = self._run(rows)
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = shifted / shifted.sum(axis=1, keepdims=True)
        best = shares.argmax(axis=1)
        for row, (label, score) in enumerate(zip(best, out_of_scope, strict=True)):
            yield Judgement(self.labels[label], float(shares[row, label]), float(score), bool(score >= self.threshold))

    def _run(self, rows: Sequence[Sequence[int]]) -> tuple[Any, Any]:
        ids = np.zeros((len(rows), max(map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        logits, out_of_scope = self._session.run(None, {"input_ids": ids, "attention_mask": mask})
        return logits, out_of_scope
