"""The classifier in training: an encoder, which a tuning method may have wrapped, its pooled features, and a head."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from banktuner_trainer.classify.batching import Batcher, Encoded, batches
from banktuner_trainer.classify.head import CosineHead
from banktuner_trainer.classify.pooling import pool, pooling_of


class Classifier(torch.nn.Module):
    """Trained as a transformers `Trainer` expects: `forward` with labels returns the loss."""

    accepts_loss_kwargs = False

    def __init__(self, encoder: Any, labels: int, smoothing: float = 0.0) -> None:
        """`encoder`: any model with last_hidden_state; `labels`: outputs of the head."""
        super().__init__()
        self.encoder = encoder
        self.config = encoder.config
        self.pooling = pooling_of(encoder.config)
        self.head = CosineHead(labels, encoder.config.hidden_size)
        self.smoothing = smoothing

    @property
    def device(self) -> Any:
        """Where the weights are."""
        return self.head.directions.device

    def pooled(self, input_ids: Any, attention_mask: Any) -> Any:
        """(rows, width) vectors of (rows, tokens) ids."""
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return pool(hidden, attention_mask, self.pooling)

    def forward(self, input_ids: Any, attention_mask: Any, labels: Any = None) -> dict[str, Any]:
        """`logits` (rows, labels); with `labels` also the `loss`."""
        logits = self.head(self.pooled(input_ids, attention_mask))
        if labels is None:
            return {"logits": logits}
        return {"logits": logits, "loss": cross_entropy(logits, labels, label_smoothing=self.smoothing)}

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        """What the Trainer calls."""
        self.encoder.gradient_checkpointing_enable(**options)

    def gradient_checkpointing_disable(self) -> None:
        """What the Trainer calls."""
        self.encoder.gradient_checkpointing_disable()


@torch.no_grad()
def pooled(model: Classifier, rows: Sequence[Encoded], batcher: Batcher) -> Any:
    """(rows, width) vectors in the rows' order, without dropout; in float32, where the model is."""
    was_training = model.training
    model.eval()
    vectors = torch.zeros(len(rows), model.head.centre.shape[0], device=model.device)
    for places, batch in batches(rows, batcher):
        vectors[places] = model.pooled(**{name: tensor.to(model.device) for name, tensor in batch.items()})
    model.train(was_training)
    return vectors
