"""The head: one direction a label, compared with a text's features by cosine (NormFace, arXiv 1704.06369).

It is fitted to the untuned encoder's features before the encoder is tuned: a head that knows nothing would first
distort what a pretrained encoder knows (arXiv 2202.10054), and that matters most where a label has few rows.
"""

from typing import Any

import torch
from torch.nn.functional import cross_entropy, normalize

SCALE = 16.0
"""Inverse temperature of the cosines."""
FITTING_STEPS = 50
FITTING_ROWS = 50_000
"""The head is fitted to so many rows at most; a seeded choice."""


class CosineHead(torch.nn.Module):
    """`centre`: mean of the training rows' features, taken off first; `directions`: (labels, width)."""

    def __init__(self, labels: int, width: int) -> None:
        """Without meaning until `fit` or until weights are loaded."""
        super().__init__()
        self.register_buffer("centre", torch.zeros(width))
        self.directions = torch.nn.Parameter(torch.zeros(labels, width))

    def fit(self, pooled: Any, labels: Any, smoothing: float) -> None:
        """Fit to (rows, width) features of rows whose labels are known: from their means on, by L-BFGS.

        Every label has a row.
        """
        with torch.no_grad():
            self.centre.copy_(pooled.mean(dim=0))
            features = normalize(pooled - self.centre, dim=-1)
            for label in range(len(self.directions)):
                self.directions[label] = normalize(features[labels == label].mean(dim=0), dim=0)
        chosen = torch.randperm(len(labels), device=labels.device)[:FITTING_ROWS]
        features, labels = features[chosen], labels[chosen]
        optimiser = torch.optim.LBFGS([self.directions], max_iter=FITTING_STEPS, line_search_fn="strong_wolfe")

        def loss() -> Any:
            optimiser.zero_grad()
            value = cross_entropy(self._logits(features), labels, label_smoothing=smoothing)
            value.backward()
            return value

        optimiser.step(loss)
        with torch.no_grad():
            self.directions.copy_(normalize(self.directions, dim=-1))
        self.directions.grad = None

    def forward(self, pooled: Any) -> Any:
        """(rows, width) -> (rows, labels) logits."""
        return self._logits(normalize(pooled - self.centre, dim=-1))

    def _logits(self, features: Any) -> Any:
        return SCALE * features @ normalize(self.directions, dim=-1).T
