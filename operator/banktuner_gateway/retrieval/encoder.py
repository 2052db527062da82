"""Sentences to vectors by an ONNX graph: mean of the last hidden states, length 1. Needs no torch."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from banktuner_gateway.graphs import open_graph
from banktuner_gateway.retrieval.errors import invalid_encoder
from banktuner_gateway.retrieval.objects import Folder, ObjectMissingError
from banktuner_gateway.retrieval.types import Vectors

MODEL = "onnx/model.onnx"
TOKENIZER = "tokenizer.json"
LIMITS = "sentence_bert_config.json"
"""Optional, of sentence-transformers: `max_seq_length`."""
DEFAULT_TOKENS = 256
ROWS_A_BATCH = 16


class SentenceEncoder:
    """One loaded graph; may be shared by threads. `digest` changes with any file that changes a vector."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """`folder`: onnx/model.onnx, tokenizer.json, maybe sentence_bert_config.json. Raises RetrievalError."""
        try:
            self._load(folder, threads)
        # Both libraries raise plain Exceptions of their own for files that are not what they should be.
        except Exception as error:
            raise invalid_encoder(f"the encoder cannot be loaded ({type(error).__name__})") from error
        probe = self.encode(["probe"])
        self.dimension = int(probe.shape[1])

    def _load(self, folder: Path, threads: int) -> None:
        self.digest = _digest(folder)
        limits = folder / LIMITS
        described = json.loads(limits.read_text(encoding="utf-8")) if limits.exists() else {}
        self.max_tokens = int(described.get("max_seq_length") or DEFAULT_TOKENS)
        # Two, because truncation is a setting of the tokenizer and chunks are measured without it.
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        self._measure = Tokenizer.from_file(str(folder / TOKENIZER))
        self._measure.no_padding()
        self._measure.no_truncation()
        self._session = open_graph(folder / MODEL, threads)
        self._inputs = {one.name for one in self._session.get_inputs()}

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Begin and end of each token in characters, without special tokens, never cut. Takes CPU time."""
        return list(self._measure.encode(text, add_special_tokens=False).offsets)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(texts, dimension), in their order. Takes CPU time: about 5 ms a question with MiniLM."""
        rows = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        # Texts of one length together: padding costs as much as words.
        order = sorted(range(len(rows)), key=lambda place: len(rows[place]))
        vectors: Vectors = None
        for first in range(0, len(order), ROWS_A_BATCH):
            places = order[first : first + ROWS_A_BATCH]
            means = self._means([rows[place] for place in places])
            if vectors is None:
                vectors = np.zeros((len(rows), means.shape[1]), dtype=np.float32)
            vectors[places] = means
        return np.zeros((0, self.dimension), dtype=np.float32) if vectors is None else vectors

    def _means(self, rows: list[list[int]]) -> Vectors:
        ids = np.zeros((len(rows), max(2, *map(len, rows))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
            mask[place, : len(row)] = 1
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self._session.run(None, {name: given[name] for name in self._inputs})[:1]
        weights = mask[:, :, None].astype(np.float32)
        means = (states * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return (means / np.maximum(lengths, 1e-12)).astype(np.float32)


def _digest(folder: Path) -> str:
    whole = hashlib.sha256()
    for name in (MODEL, TOKENIZER, LIMITS):
        file = folder / name
        part = hashlib.sha256(file.read_bytes() if file.exists() else b"").hexdigest()
        whole.update(f"{name} {part}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def bring_encoder(source: Folder, folder: Path) -> None:
    """Copy an encoder's files from object storage. Waits for the network. Raises RetrievalError, OSError."""
    (folder / MODEL).parent.mkdir(parents=True, exist_ok=True)
    for name in (MODEL, TOKENIZER):
        try:
            (folder / name).write_bytes(source.get(name).data)
        except ObjectMissingError:
            raise invalid_encoder(f"the encoder's folder holds no {name}") from None
    try:
        (folder / LIMITS).write_bytes(source.get(LIMITS).data)
    except ObjectMissingError:
        (folder / LIMITS).unlink(missing_ok=True)
