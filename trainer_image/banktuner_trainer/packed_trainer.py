"""The training step of a language model on rows laid end to end, with scores of target tokens only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import Trainer

from banktuner_trainer.attention import FLASH, within_documents
from banktuner_trainer.data.encode import IGNORED


class PackedTrainer(Trainer):
    """A transformers Trainer whose batches come from `batches.end_to_end`.

    The loss is the mean over all target tokens of an optimiser step, on however many devices. Scores of the
    vocabulary, which cost a small model more than all its layers, are computed for targets and nowhere else.
    """

    loss_is_scaled_for_ga = True

    def __init__(self, **arguments: Any) -> None:
        """Keyword arguments of transformers' Trainer."""
        super().__init__(**arguments)
        # Has the Trainer count an optimiser step's targets.
        self.model_accepts_loss_kwargs = True

    def training_step(self, model: Any, *arguments: Any, **others: Any) -> Any:
        """Forward and backward pass."""
        with within_documents(self.model), _inputs_as_they_are(self.model, self.accelerator.mixed_precision != "no"):
            return super().training_step(model, *arguments, **others)

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Summed loss of the batch's targets, divided by `num_items_in_batch`."""
        labels = inputs.pop("labels")[:, 1:]
        if self.model.config._attn_implementation == FLASH:
            inputs.pop("documents")
        chosen = labels != IGNORED
        with _scores_of(self.model.get_output_embeddings(), chosen):
            outputs = model(**inputs, use_cache=False)
        loss = torch.nn.functional.cross_entropy(outputs.logits.float(), labels[chosen], reduction="sum")
        loss = loss / (chosen.sum() if num_items_in_batch is None else num_items_in_batch)
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            # The targets of all devices were counted, and gradients are averaged over devices.
            loss = loss * self.accelerator.num_processes
        return (loss, outputs) if return_outputs else loss


@contextmanager
def _scores_of(head: Any, chosen: Any) -> Iterator[None]:
    """Inside this context, the layer that scores the vocabulary sees the chosen places only. Shape: (1, tokens - 1)."""
    handle = head.register_forward_pre_hook(lambda _, hidden: (hidden[0][:, :-1][chosen],))
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _inputs_as_they_are(model: Any, autocast: bool) -> Iterator[None]:
    """With autocast on, keep peft from casting each layer's input to float32: autocast would cast it back at once."""
    layers = [layer for layer in model.modules() if autocast and getattr(layer, "cast_input_dtype_enabled", False)]
    for layer in layers:
        layer.cast_input_dtype_enabled = False
    try:
        yield
    finally:
        for layer in layers:
            layer.cast_input_dtype_enabled = True
