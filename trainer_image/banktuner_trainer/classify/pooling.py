"""One vector a text from the vectors of its tokens."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING

Pooling = Literal["mean", "last"]


def pooling_of(config: Any) -> Pooling:
    """Mean for encoders, whose tokens see each other; the last token for decoders, because only it has read all."""
    return "mean" if type(config) in MODEL_FOR_MASKED_LM_MAPPING else "last"


def pool(hidden: Any, mask: Any, pooling: Pooling) -> Any:
    """(rows, tokens, width) and the (rows, tokens) mask of right-padded rows -> (rows, width), in float32."""
    return _POOLINGS[pooling](hidden.float(), mask)


def _mean(hidden: Any, mask: Any) -> Any:
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1)


def _last(hidden: Any, mask: Any) -> Any:
    last = (mask.sum(dim=1) - 1).reshape(-1, 1, 1).expand(-1, 1, hidden.shape[-1])
    return torch.gather(hidden, 1, last).squeeze(1)


_POOLINGS: dict[Pooling, Callable[[Any, Any], Any]] = {"mean": _mean, "last": _last}
