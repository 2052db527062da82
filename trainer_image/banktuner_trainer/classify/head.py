"""The head: one direction a label, compared with a text's features by cosine (NormFace, arXiv 1704.06369).

It starts from the mean features of each label's rows, as prototypes do (arXiv 1703.05175), so that a pretrained
encoder's knowledge is in the answers from the first step, which matters most where a label has few rows.
"""

from typing import Any

import torch
from torch.nn.functional import normalize

SCALE = 20.0
"""Inverse temperature of the cosines: the one that sentence encoders are trained with."""


class CosineHead(torch.nn.Module):
    """`centre`: mean of the training rows' features, taken off first; `directions`: (labels, width)."""

    def __init__(self, labels: int, width: int) -> None:
        """Without meaning until `start` or until weights are loaded."""
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.directions = torch.nn.Parameter(torch.zeros(labels, width))

    @torch.no_grad()
    def start(self, pooled: Any, labels: Any) -> None:
        """Take centre and directions from (rows, width) features whose labels are known; every label has a row."""
        self.centre.copy_(pooled.mean(dim=0))
        features = self.features(pooled)
        for label in range(len(self.directions)):
            self.directions[label] = normalize(features[labels == label].mean(dim=0), dim=0)

    def features(self, pooled: Any) -> Any:
        """Pooled vectors, centred and of length 1."""
        return normalize(pooled - self.centre, dim=-1)

    def forward(self, features: Any) -> Any:
        """(rows, width) features of length 1 -> (rows, labels) logits."""
        return SCALE * features @ normalize(self.directions, dim=-1).T
