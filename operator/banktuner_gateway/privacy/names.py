"""People's names, found by an ONNX token classifier: a folder as transformers exports one. Needs no torch."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from banktuner_gateway.graphs import open_graph
from banktuner_gateway.privacy.spans import Span
from banktuner_gateway.privacy.vault import NAME

GRAPHS = ("model.onnx", "onnx/model.onnx")
PERSON_LABELS = frozenset({"PER", "PERSON"})
SCHEME = re.compile(r"[BIESLU][-_]")
"""Before a label's name, where it tells a name's beginning from what follows."""
THRESHOLD = 0.5
"""Probability of being part of a name from which a word is masked."""
MOST_TOKENS = 256
"""Read at once; a longer text is read in windows that share `SHARED` of them."""
SHARED = 64
# a possessive's s is no part of the name; scripts without spaces are judged character by character
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+(?:['\u2019-](?!s(?![^\W_]))[^\W_]+)*")
JOIN = re.compile(r"[ .'\u2019-]{0,3}")


class NameRecogniser:
    """One loaded graph; may be shared by threads."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """`folder`: model.onnx or onnx/model.onnx, tokenizer.json, config.json with id2label. `threads`: of one query.

        Raises ValueError, which says what is wrong, OSError, and what the two libraries raise for broken files.
        """
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        labels = _labels(config)
        self._person = [place for place, label in enumerate(labels) if _is_person(label)]
        if not self._person:
            raise ValueError(
                f"config.json: id2label has no label PER or PERSON, with or without B- and I-, in {labels}"
            )
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._set_window(config.get("max_position_embeddings"))
        self._session = _session(folder, threads)
        self._inputs = {one.name for one in self._session.get_inputs()}
        shape = self._logits(self._tokenizer.encode("Good morning.")).shape
        if shape[1] != len(labels):
            raise ValueError(f"the graph gives {shape[1]} scores a token, and config.json names {len(labels)} labels")

    def _set_window(self, positions: int | None) -> None:
        # two positions of RoBERTa's are never used
        window = min(MOST_TOKENS, positions - 2) if positions else MOST_TOKENS
        self._tokenizer.enable_truncation(window, stride=min(SHARED, window // 4))

    def find(self, text: str) -> list[Span]:
        """Names in `text`, in its order, without overlaps. Takes CPU time: some 20 ms a sentence with BERT-base.

        Raises ValueError where the graph gives no numbers: what was not judged must not pass.
        """
        words = [match.span() for match in WORD.finditer(text) if not match.group().isdigit()]
        if not words:
            return []
        scores = _word_scores(words, self._token_scores(text))
        named = [(*word, score) for word, score in zip(words, scores, strict=True) if score >= THRESHOLD]
        return _joined(text, named)

    def _token_scores(self, text: str) -> list[tuple[int, int, float]]:
        """Begin, end and probability of every token; of those in two windows twice."""
        whole = self._tokenizer.encode(text)
        found: list[tuple[int, int, float]] = []
        for window in (whole, *whole.overflowing):
            logits = self._logits(window)
            exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
            shares = exponents[:, self._person].sum(axis=1) / exponents.sum(axis=1)
            if not np.isfinite(shares).all():
                raise ValueError("the name model gives no numbers")
            found += [(*place, float(share)) for place, share in zip(window.offsets, shares, strict=True)]
        return found

    def _logits(self, window: Encoding) -> Any:
        """(tokens, labels)"""
        ids = np.array([window.ids], dtype=np.int64)
        given = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        (logits,) = self._session.run(None, {name: given[name] for name in self._inputs})[:1]
        return logits[0].astype(np.float32)


def _labels(config: dict[str, Any]) -> list[str]:
    """By their number."""
    named = config.get("id2label") or {}
    if sorted(named, key=int) != [str(place) for place in range(len(named))]:
        raise ValueError("config.json: id2label must name the labels from 0 on")
    return [str(named[str(place)]) for place in range(len(named))]


def _is_person(label: str) -> bool:
    return SCHEME.sub("", label.upper(), count=1) in PERSON_LABELS


def _session(folder: Path, threads: int) -> Any:
    graph = next((folder / name for name in GRAPHS if (folder / name).exists()), None)
    if graph is None:
        raise ValueError(f"there is neither {GRAPHS[0]} nor {GRAPHS[1]}")
    return open_graph(graph, threads)


def _word_scores(words: Sequence[tuple[int, int]], tokens: Sequence[tuple[int, int, float]]) -> list[float]:
    """Of each word the best score of a token with a character of it; both are in the text's order but for windows."""
    scores = [0.0] * len(words)
    owner: dict[int, int] = {place: word for word, span in enumerate(words) for place in range(*span)}
    for start, end, score in tokens:
        for word in {owner[place] for place in range(start, end) if place in owner}:
            scores[word] = max(scores[word], score)
    return scores


def _joined(text: str, named: Sequence[tuple[int, int, float]]) -> list[Span]:
    """Words of a name next to each other as one."""
    spans: list[Span] = []
    for start, end, score in named:
        before = spans[-1] if spans else None
        if before is not None and JOIN.fullmatch(text, before.end, start):
            spans[-1] = Span(NAME, before.start, end, max(before.score, score))
        else:
            spans.append(Span(NAME, start, end, score))
    return spans
