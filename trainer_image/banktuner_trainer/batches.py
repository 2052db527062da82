"""Lays encoded rows out as the tensors of a training batch: end to end without padding, or padded to one length.

Packing is a matter of which rows make a batch; how they are laid out does not depend on it.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch

from banktuner_trainer.data.encode import IGNORED, Encoded

Pack = list[Encoded]
"""Rows that are drawn together."""


def pack(rows: Sequence[Encoded], length: int) -> list[Pack]:
    """Rows put together up to `length` tokens: the longest first, each where it leaves the least room (best fit)."""
    packs: list[Pack] = []
    rooms: list[tuple[int, int]] = []
    for row in sorted(rows, key=lambda row: len(row.input_ids), reverse=True):
        size = len(row.input_ids)
        place = bisect_left(rooms, (size, 0))
        room, index = rooms.pop(place) if place < len(rooms) else (length, len(packs))
        if index == len(packs):
            packs.append([])
        packs[index].append(row)
        insort(rooms, (room - size, index))
    return packs


def end_to_end(packs: Sequence[Pack]) -> dict[str, Any]:
    """All rows of the packs as one sequence; positions start anew with each row, and `documents` says where it lies.

    Shapes: (1, tokens). `documents`: see `attention.attend_within`. A row's first token is nobody's target.
    """
    rows = [row for members in packs for row in members]
    return {
        "input_ids": torch.tensor([[token for row in rows for token in row.input_ids]]),
        "labels": torch.tensor([[label for row in rows for label in (IGNORED, *row.labels[1:])]]),
        "position_ids": torch.tensor([[place for row in rows for place in range(len(row.input_ids))]]),
        "documents": documents([len(row.input_ids) for row in rows]),
    }


def documents(lengths: Sequence[int]) -> tuple[Any, ...]:
    """Where each of the documents lies that follow each other in a sequence.

    First a tensor (tokens): each token's place in what the others gather, flattened one after the other. Then tensors
    (documents, longest) of places in the sequence, one for documents of about one length, so that they may be padded.
    Padding is any place; it stands behind the document.
    """
    starts = [sum(lengths[:index]) for index in range(len(lengths))]
    groups: dict[int, list[int]] = defaultdict(list)
    for index, length in enumerate(lengths):
        groups[length.bit_length()].append(index)
    back = torch.empty(sum(lengths), dtype=torch.long)
    gathers: list[Any] = []
    offset = 0
    for members in groups.values():
        longest = max(lengths[index] for index in members)
        gather = torch.zeros(len(members), longest, dtype=torch.long)
        for row, index in enumerate(members):
            start, length = starts[index], lengths[index]
            gather[row, :length] = torch.arange(start, start + length)
            back[start : start + length] = torch.arange(length) + (offset + row * longest)
        gathers.append(gather)
        offset += gather.numel()
    return (back, *gathers)


class Padded:
    """Rows side by side, filled up to the longest on the right. Shapes: (rows, longest)."""

    def __init__(self, pad_token_id: int) -> None:
        """`pad_token_id`: what rows are filled up with; any token will do, as nothing looks at it."""
        self._pad = pad_token_id

    def __call__(self, features: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        """`features`: input_ids and labels of each row."""
        sequences = {
            "input_ids": (self._pad, [row["input_ids"] for row in features]),
            "labels": (IGNORED, [row["labels"] for row in features]),
            "attention_mask": (0, [[1] * len(row["input_ids"]) for row in features]),
        }
        return {name: _filled(values, filling) for name, (filling, values) in sequences.items()}


def _filled(rows: list[list[int]], filling: int) -> Any:
    longest = max(len(row) for row in rows)
    return torch.tensor([row + [filling] * (longest - len(row)) for row in rows])
