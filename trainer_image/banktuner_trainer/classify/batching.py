"""Rows of token ids as tensors."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

MULTIPLE = 8
"""Lengths are rounded up to a multiple: few shapes mean few compiled kernels, which take time and memory."""
ROWS_A_BATCH = 64

Encoded = dict[str, Any]
"""`input_ids`, `length` and, where it is known, `labels` (the label's number)."""


@dataclass(frozen=True)
class Batcher:
    """Pads on the right to the longest row of the batch."""

    pad_token_id: int

    def __call__(self, rows: Sequence[Encoded]) -> dict[str, Any]:
        """input_ids and attention_mask of shape (rows, longest), labels of shape (rows,) where rows have them."""
        longest = -(-max(len(row["input_ids"]) for row in rows) // MULTIPLE) * MULTIPLE
        ids = torch.full((len(rows), longest), self.pad_token_id, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for index, row in enumerate(rows):
            count = len(row["input_ids"])
            ids[index, :count] = torch.tensor(row["input_ids"])
            mask[index, :count] = 1
        batch = {"input_ids": ids, "attention_mask": mask}
        if "labels" in rows[0]:
            batch["labels"] = torch.tensor([row["labels"] for row in rows])
        return batch


def batches(rows: Sequence[Encoded], batcher: Batcher) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """(places in `rows`, input_ids and attention_mask), rows of about one length together."""
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]["input_ids"]))
    for start in range(0, len(order), ROWS_A_BATCH):
        places = order[start : start + ROWS_A_BATCH]
        yield places, batcher([{"input_ids": rows[place]["input_ids"]} for place in places])
