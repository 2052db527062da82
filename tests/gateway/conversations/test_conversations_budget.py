"""How much of a conversation goes along with a question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_gateway.conversations.budget import Budget, approximate_tokens, fit
from banktuner_gateway.conversations.model import Turn
from banktuner_gateway.errors import ApiError

turns = st.lists(st.builds(Turn, st.text(max_size=30), st.text(max_size=30)), max_size=12)
texts = st.lists(st.text(max_size=40), min_size=1, max_size=4)
budgets = st.builds(Budget, prompt=st.none() | st.integers(0, 500), history=st.integers(0, 400))


def cost(turn: Turn) -> int:
    return len(turn.question) + len(turn.answer)


@given(history=turns, always=texts, budget=budgets)
def test_the_newest_whole_turns_that_fit_and_no_fewer(history, always, budget):
    needed = sum(map(len, always))
    if budget.prompt is not None and needed > 8 * budget.prompt:
        with pytest.raises(ApiError) as error:
            fit(history, always, budget, len, field="messages")
        assert (error.value.status, error.value.code, error.value.field) == (422, "message_too_long", "messages")
        return
    room = budget.history if budget.prompt is None else min(budget.history, budget.prompt - needed)
    kept = fit(history, always, budget, len)
    assert list(kept) == history[len(history) - len(kept) :]
    used = sum(map(cost, kept))
    assert used <= room or not kept
    if len(kept) < len(history):
        assert used + cost(history[-len(kept) - 1]) > room


def test_a_long_turn_hides_the_ones_before_it():
    history = [Turn("a", "b"), Turn("x" * 50, "y"), Turn("c", "d")]
    assert fit(history, ["question"], Budget(100, 20), len) == (history[2],)


def test_the_question_is_never_cut_and_its_field_is_named():
    assert fit([Turn("a", "b")], ["s" * 4, "q" * 6], Budget(10, 100), len) == ()
    with pytest.raises(ApiError) as error:
        fit([], ["s" * 40, "secret" * 7], Budget(10, 100), len)
    assert error.value.field == "message"
    assert "secret" not in error.value.message


@pytest.mark.parametrize(("text", "tokens"), [("", 4), ("abc", 5), ("abcd", 6), ("€", 5), ("\ud83d", 5)])
def test_the_approximation_counts_bytes(text, tokens):
    assert approximate_tokens(text) == tokens
