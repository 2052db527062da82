"""The classifier: an encoder, which a tuning method may have wrapped, its pooled features, and a head."""

from collections.abc import Sequence
from typing import Any

import torch

from banktuner_trainer.classify.batching import Batcher, Encoded, batches
from banktuner_trainer.classify.head import CosineHead
from banktuner_trainer.classify.losses import classifier_loss
from banktuner_trainer.classify.pooling import pool, pooling_of


class Classifier(torch.nn.Module):
    """Trained as a transformers `Trainer` expects: `forward` with labels returns the loss."""

    accepts_loss_kwargs = False

    def __init__(self, encoder: Any, labels: int, smoothing: float) -> None:
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
        """`logits` (rows, labels) and `features` (rows, width); with `labels` also the `loss`.

        In training each row is read twice, under two dropout masks, and the answers are those of the first reading.
        """
        rows = len(input_ids)
        if labels is not None and self.training:
            input_ids, attention_mask = input_ids.repeat(2, 1), attention_mask.repeat(2, 1)
        features = self.head.features(self.pooled(input_ids, attention_mask))
        logits = self.head(features)
        answer = {"logits": logits[:rows], "features": features[:rows]}
        if labels is not None:
            answer["loss"] = classifier_loss(logits[:rows], logits[-rows:], labels, self.smoothing)
        return answer

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
