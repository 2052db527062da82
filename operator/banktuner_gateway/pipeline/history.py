"""Which of the turns that a client sent along go to the model: none of a question that was refused, or would be."""

from collections.abc import Collection, Sequence

from banktuner_gateway.engine.messages import Turn


def without_refused(turns: Sequence[Turn], rejection: str) -> list[Turn]:
    """Without the questions that were answered by the bank's refusal, as the gateway's own conversations keep them.

    A client sends them again with every question; judged once more they would end the conversation for good.
    """
    kept: list[Turn] = []
    for turn in turns:
        if turn.role != "assistant" or turn.content.strip() != rejection.strip():
            kept.append(turn)
        elif kept and kept[-1].role == "user":
            kept.pop()
    return kept


def without_questions(turns: Sequence[Turn], places: Collection[int]) -> list[Turn]:
    """Without these of the user's turns, counted from 0, and without what was answered to them."""
    kept: list[Turn] = []
    number = -1
    for turn in turns:
        number += turn.role == "user"
        if number not in places:
            kept.append(turn)
    return kept
