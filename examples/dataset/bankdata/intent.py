"""The vocabulary of the data set: what an intent is, and what a row is."""

from dataclasses import dataclass

REFUSAL = (
    "I'm specialized in banking services only. I can help with accounts, transactions, fees, loans, and cards. "
    "Please ask a banking question."
)


@dataclass(frozen=True)
class Intent:
    """One thing that a customer may want to know, the ways to ask it, and its answer.

    Templates hold `{slot}` (a name of `slots.SLOTS`) and, in questions, `(a|b)` alternatives.
    Phrasings in `held_out` appear in test files only, so that a test measures generalisation.
    Where `context` is given it becomes the row's `input`, and the answer uses its slots.
    `house` is the answer of Harbor Bank where it has a rule of its own; it contains each substring in `facts`.
    """

    name: str
    topic: str
    questions: tuple[str, ...]
    held_out: tuple[str, ...]
    answer: str
    context: str = ""
    house: str = ""
    facts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """One question with its answer, and the intent that it came from."""

    intent: str
    instruction: str
    input: str
    output: str

    def alpaca(self) -> dict[str, str]:
        """The row as it is written to a file: instruction, input, output."""
        return {"instruction": self.instruction, "input": self.input, "output": self.output}
