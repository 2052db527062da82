"""Answers against references by their meaning: cosine of sentence vectors, BERTScore, response relevance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]
RELEVANCE_SCALE = 10.0
LEAST_OVERLAP = 0.05
"""Questions and references that have less in common than this say nothing of how near an answer should be."""


@dataclass(frozen=True)
class TokenVectors:
    """Unit vectors of a text's tokens, shape (tokens, width). `weights`: 0 for the tokens that frame a text, else 1."""

    vectors: Vectors
    weights: NDArray[np.float32]


def cosines(one: Vectors, other: Vectors) -> NDArray[np.float32]:
    """Cosine of each pair of rows; shape (rows, width) twice to (rows,). A zero vector is like nothing: 0."""
    scale = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    products = np.einsum("ij,ij->i", one, other)
    return np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)


def bertscore_f1(reference: TokenVectors, answer: TokenVectors) -> float:
    """F1 of greedy matching (Zhang et al. 2020), without inverse document frequencies and without rescaling.

    Precision: mean over the answer's tokens of the largest cosine with a token of the reference; recall the other way
    round. Two empty texts are alike (1), an empty and another one are not (0).
    """
    if not reference.weights.sum() or not answer.weights.sum():
        return float(reference.weights.sum() == answer.weights.sum())
    table = answer.vectors @ reference.vectors.T
    precision = float(np.average(table.max(axis=1), weights=answer.weights))
    recall = float(np.average(table.max(axis=0), weights=reference.weights))
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


def relevance(questions: Vectors, references: Vectors, answers: Vectors) -> float:
    """Mean response relevance, 0 to 10.

    Half of it is how like the reference the answer is, half how near to the question, measured by how near the
    reference is: an answer that is its reference has 10, one that is about something else about 0. Negative cosines
    count as 0.
    """
    right = np.clip(cosines(references, answers), 0, 1)
    wanted = cosines(questions, references)
    near = np.clip(cosines(questions, answers), 0, None)
    topical = np.divide(near, wanted, out=right.copy(), where=wanted > LEAST_OVERLAP)
    return float(RELEVANCE_SCALE * np.mean((right + np.clip(topical, 0, 1)) / 2))


def mean_bertscore(references: Sequence[TokenVectors], answers: Sequence[TokenVectors]) -> float:
    """Mean F1 over pairs of texts."""
    return float(np.mean([bertscore_f1(one, other) for one, other in zip(references, answers, strict=True)]))
