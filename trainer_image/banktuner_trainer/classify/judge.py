"""What a trained classifier says of a text: its label, and the probability that it is none of what was taught.

The label: the head's cosines, and those to the nearest training row of each label, which the head cannot know one by
one (as in kNN-LM, arXiv 1911.00172). Out of scope, by two signs of equal weight. Doubt: the log-odds that no label is
right, which finds questions between the labels and, where strangers' questions were trained on, what resembles them.
Novelty: the distance to the nearest training row (arXiv 2204.06507), which finds what resembles nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import normalize

from banktuner_trainer.classify.head import SCALE, CosineHead

MEMORY_ROWS = 16_384
"""Training rows that are kept to compare with, at most: 25 MB of MiniLM's features."""
NEIGHBOUR_SHARE = 0.5
"""Weight of the nearest row's cosine, where that of the head's is 1."""
SURE = 1e-6


class Judge(torch.nn.Module):
    """`memory`: (labels, rows, width) features of training rows; `weights` and `bias`: from signs to log-odds."""

    def __init__(self, head: CosineHead, memory: Any) -> None:
        """`head`: of a trained model; an output after the labels' is the strangers'."""
        super().__init__()
        self.head = head
        self.register_buffer("memory", memory)
        self.register_buffer("weights", torch.zeros(2))
        self.register_buffer("bias", torch.zeros(()))

    def adopt(self, weights: Sequence[float], bias: float) -> None:
        """Take what a calibration found."""
        self.weights.copy_(self.weights.new_tensor(weights))
        self.bias.copy_(self.bias.new_tensor(bias))

    def forward(self, pooled: Any) -> tuple[Any, Any]:
        """(rows, width) -> (rows, labels) logits and (rows,) probabilities of being out of scope."""
        logits, signs = self.look(pooled)
        return logits, torch.sigmoid(signs @ self.weights + self.bias)

    def look(self, pooled: Any) -> tuple[Any, Any]:
        """(rows, width) -> (rows, labels) logits and (rows, 2) signs, doubt and novelty."""
        labels, rows, width = self.memory.shape
        cosines = normalize(pooled, dim=-1) @ self.memory.reshape(labels * rows, width).T
        nearest = cosines.reshape(-1, labels, rows).amax(dim=2)
        outputs = self.head(pooled)
        likeliest = torch.softmax(outputs, dim=1)[:, :labels].amax(dim=1).clamp(SURE, 1 - SURE)
        doubt = torch.log1p(-likeliest) - torch.log(likeliest)
        signs = torch.stack([doubt, 1 - nearest.amax(dim=1)], dim=1)
        return outputs[:, :labels] + SCALE * NEIGHBOUR_SHARE * nearest, signs


def memory_of(pooled: Any, labels: Sequence[int]) -> Any:
    """(labels, rows, width): the same number of rows of each label, the first ones; few are there more than once.

    `pooled`: (rows, width) vectors of training rows whose labels, from 0 on, are known.
    """
    places: dict[int, list[int]] = defaultdict(list)
    for place, label in enumerate(labels):
        places[label].append(place)
    size = min(max(map(len, places.values())), max(1, MEMORY_ROWS // len(places)))
    chosen = [[places[label][index % len(places[label])] for index in range(size)] for label in sorted(places)]
    return normalize(pooled, dim=-1)[torch.tensor(chosen, device=pooled.device)]
