"""Intents of a generative model: a closed set of answers, and decoding that can say nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from banktuner_trainer.errors import invalid_config
from banktuner_trainer.evaluate.generate import Writer
from banktuner_trainer.evaluate.questions import Question

MOST_LABELS = 256
FIELD = "spec.evaluation.suites"


@dataclass(frozen=True)
class Label:
    """An answer of the closed set, and its token ids with the end token."""

    text: str
    ids: tuple[int, ...]


class Trie:
    """Which tokens may follow, so that an answer is one of the labels (De Cao et al. 2021, constrained decoding)."""

    def __init__(self, labels: Sequence[Label]) -> None:
        """Two labels never share all their ids: an end token is never inside another label."""
        self._next: dict[int, Any] = {}
        for label in labels:
            node = self._next
            for token in label.ids:
                node = node.setdefault(token, {})

    def allowed(self, ids: Sequence[int]) -> list[int]:
        """Tokens that may follow `ids`; none after a whole label."""
        node = self._next
        for token in ids:
            node = node.get(token, {})
        return list(node)


def check_closed(distinct: int) -> None:
    """Raises TrainerError (InvalidConfig) where `distinct` different answers are no set of intents."""
    if not 2 <= distinct <= MOST_LABELS:
        message = (
            f"suite Intent needs rows whose answers are intents, 2 to {MOST_LABELS} different ones;"
            f" these rows have {distinct}: leave Intent out"
        )
        raise invalid_config(message, FIELD)


def labels_of(asked: Sequence[Question], stops: Sequence[int]) -> list[Label]:
    """Each different right answer once, its tokens up to and with the first end token."""
    found: dict[str, Label] = {}
    for question in asked:
        text = question.reference.strip()
        found.setdefault(text, Label(text, _ended(question.target, stops)))
    return sorted(found.values(), key=lambda label: label.text)


def _ended(target: Sequence[int], stops: Sequence[int]) -> tuple[int, ...]:
    end = next((place for place, token in enumerate(target) if token in stops), None)
    return (*target, stops[0]) if end is None else tuple(target[: end + 1])


def choose(
    writer: Writer, model: Any, prompts: Sequence[list[int]], labels: Sequence[Label], told: Callable[[int], None]
) -> list[str]:
    """The label that greedy decoding along the trie of the labels arrives at, for each prompt."""
    longest = max(len(label.ids) for label in labels)
    made = writer.answer(model, prompts, longest, Trie(labels).allowed, told)
    return [_said(tuple(ids), labels) for ids in made.ids]


def _said(ids: tuple[int, ...], labels: Sequence[Label]) -> str:
    """An answer that the model's context cut short stands for the first label that begins so."""
    whole = (label.text for label in labels if label.ids[:-1] == ids)
    begun = (label.text for label in labels if label.ids[: len(ids)] == ids)
    return next(whole, "") or next(begun)
