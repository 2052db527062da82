"""What a classifier is trained with: smoothed cross-entropy, and agreement of two dropout masks (R-Drop)."""

from typing import Any

from torch.nn.functional import cross_entropy, kl_div, log_softmax

DEFAULT_SMOOTHING = 0.1
AGREEMENT = 1.0
"""Weight of the agreement between the two passes (alpha of R-Drop, arXiv 2106.14448)."""


def classifier_loss(first: Any, second: Any, labels: Any, smoothing: float) -> Any:
    """Mean over rows of (rows, labels) logits of the same rows under two dropout masks."""
    entropy = sum(cross_entropy(logits, labels, label_smoothing=smoothing) for logits in (first, second)) / 2
    return entropy + AGREEMENT * disagreement(first, second)


def disagreement(first: Any, second: Any) -> Any:
    """Symmetric Kullback-Leibler divergence of the two answers, in nats; 0 where they are the same."""
    one, other = log_softmax(first, dim=-1), log_softmax(second, dim=-1)
    return (_divergence(one, other) + _divergence(other, one)) / 2


def _divergence(one: Any, other: Any) -> Any:
    return kl_div(one, other, log_target=True, reduction="batchmean")
