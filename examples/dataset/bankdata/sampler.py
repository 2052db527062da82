"""Draws rows from intents so that no two questions of the whole data set are alike."""

from collections.abc import Iterable
from random import Random

from bankdata.grammar import choose, draw, dress, fingerprint
from bankdata.intent import Intent, Row

_TRIES = 2000


class Sampler:
    """Rows in turn from each intent; remembers every question it gave or was told of."""

    def __init__(self, seed: int, reserved: Iterable[str] = ()) -> None:
        self._rng = Random(seed)
        self._seen = {fingerprint(question) for question in reserved}

    def sample(
        self, intents: tuple[Intent, ...], count: int, *, held_out: bool = False, house: bool = False
    ) -> list[Row]:
        """`count` rows, spread evenly over `intents`, in random order.

        With `held_out` the questions use only the held-out phrasings, otherwise only the others;
        with `house` the answers are those of Harbor Bank where it has its own.
        """
        order = self._rng.sample(intents, len(intents))
        rows = [self._new_row(order[index % len(order)], held_out, house) for index in range(count)]
        self._rng.shuffle(rows)
        return rows

    def _new_row(self, intent: Intent, held_out: bool, house: bool) -> Row:
        for _ in range(_TRIES):
            row = self._row(intent, held_out, house)
            key = fingerprint(row.instruction)
            if key not in self._seen:
                self._seen.add(key)
                return row
        raise ValueError(f"intent {intent.name!r} has too few phrasings: add templates or slots to it")

    def _row(self, intent: Intent, held_out: bool, house: bool) -> Row:
        template = choose(self._rng.choice(intent.held_out if held_out else intent.questions), self._rng)
        answer = (house and intent.house) or intent.answer
        values = draw((template, answer, intent.context), self._rng)
        question = " ".join(template.format(**values).split()).replace(" ?", "?").replace(" .", ".")
        question = dress(question, self._rng, starts_with_name=template.startswith("{"))
        return Row(intent.name, question, intent.context.format(**values), answer.format(**values))
