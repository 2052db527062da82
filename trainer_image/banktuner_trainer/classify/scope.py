"""The out-of-scope score: the probability that a text is none of what was taught.

Two signs, with equal weight. Doubt: the log-odds that no label is right, which finds questions between the labels
and, where strangers' questions were trained on, those that resemble them. Novelty: the distance to the nearest
training row (deep nearest neighbours, arXiv 2204.06507), which finds what resembles nothing.
"""

from collections.abc import Sequence
from typing import Any

import torch

MEMORY_ROWS = 8192
"""Training rows that are kept to compare with, at most: 12 MB of MiniLM's features."""
SURE = 1e-6


class ScopeScore(torch.nn.Module):
    """`memory`: (rows, width) features of training rows; `weights` and `bias`: from the two signs to log-odds.

    `labels`: how many of the head's outputs are labels'; the strangers' follows, where there is one.
    """

    def __init__(self, labels: int, memory: Any) -> None:
        """Without meaning until `adopt` or until weights are loaded."""
        super().__init__()
        self.labels = labels
        self.register_buffer("memory", memory)
        self.register_buffer("weights", torch.zeros(2))
        self.register_buffer("bias", torch.zeros(()))

    def signs(self, features: Any, logits: Any) -> Any:
        """(rows, 2): doubt and novelty of (rows, width) features and (rows, outputs) logits."""
        likeliest = torch.softmax(logits, dim=1)[:, : self.labels].amax(dim=1).clamp(SURE, 1 - SURE)
        doubt = torch.log1p(-likeliest) - torch.log(likeliest)
        novelty = 1 - (features @ self.memory.T).amax(dim=1)
        return torch.stack([doubt, novelty], dim=1)

    def adopt(self, weights: Sequence[float], bias: float) -> None:
        """Take what a calibration found."""
        self.weights.copy_(self.weights.new_tensor(weights))
        self.bias.copy_(self.bias.new_tensor(bias))

    def forward(self, features: Any, logits: Any) -> Any:
        """Probability that a row is out of scope, shape (rows,)."""
        return torch.sigmoid(self.signs(features, logits) @ self.weights + self.bias)


def memory_of(features: Any, labels: Sequence[int]) -> Any:
    """The features to remember: all, or as many of each label as MEMORY_ROWS allows, the first ones."""
    share = max(1, MEMORY_ROWS // (max(labels) + 1))
    seen = [0] * (max(labels) + 1)
    places: list[int] = []
    for place, label in enumerate(labels):
        seen[label] += 1
        if len(labels) <= MEMORY_ROWS or seen[label] <= share:
            places.append(place)
    return features[places].clone()
