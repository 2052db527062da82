"""What a trained classifier says of a text: its label, and the probability that it is none of what was taught.

The label: the head's cosines, and those to the nearest training row of each label, which the head cannot know one by
one (as in kNN-LM, arXiv 1911.00172). Out of scope, by signs of equal weight. Doubt: the log-odds that no label is
right, which finds questions between the labels. Novelty: the distance to the nearest training row (arXiv 2204.06507),
which finds what resembles nothing. Likeness, where strangers' questions were trained on: how much nearer the nearest of
them is than the nearest of the bank's own.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import normalize

from banktuner_trainer.classify.head import SCALE, CosineHead

MEMORY_ROWS, STRANGER_ROWS = 16_384, 8_192
"""Training rows that are kept to compare with, at most: 25 and 13 MB of MiniLM's features."""
NEIGHBOUR_SHARE = 0.5
"""Weight of the nearest row's cosine, where that of the head's is 1."""
SURE = 1e-6


class Judge(torch.nn.Module):
    """`memory`: (labels, rows, width) features of training rows; `strangers`: (rows, width) of those out of scope.

    `weights` and `bias` make log-odds of the signs.
    """

    def __init__(self, head: CosineHead, memory: Any, strangers: Any) -> None:
        """`head`: of a trained model; an output after the labels' is the strangers'. No rows: none were taught."""
        super().__init__()
        self.head = head
        self.register_buffer("memory", memory)
        self.register_buffer("strangers", strangers)
        self.register_buffer("weights", torch.zeros(2 + bool(len(strangers))))
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
        """(rows, width) -> (rows, labels) logits and (rows, signs): doubt, novelty and maybe likeness."""
        labels, rows, width = self.memory.shape
        features, outputs = normalize(pooled, dim=-1), self.head(pooled)
        nearest = (features @ self.memory.reshape(labels * rows, width).T).reshape(-1, labels, rows).amax(dim=2)
        likeliest = torch.softmax(outputs, dim=1)[:, :labels].amax(dim=1).clamp(SURE, 1 - SURE)
        own = nearest.amax(dim=1)
        signs = [torch.log1p(-likeliest) - torch.log(likeliest), 1 - own]
        if len(self.strangers):
            signs.append((features @ self.strangers.T).amax(dim=1) - own)
        return outputs[:, :labels] + SCALE * NEIGHBOUR_SHARE * nearest, torch.stack(signs, dim=1)


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


def strangers_of(pooled: Any) -> Any:
    """(rows, width): features of out-of-scope training rows, every so many where they are too many."""
    return normalize(pooled, dim=-1)[:: -(-max(1, len(pooled)) // STRANGER_ROWS)].clone()
