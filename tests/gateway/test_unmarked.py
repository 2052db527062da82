"""What the classifier reads of a masked text."""

import pytest

from banktuner_gateway.pipeline.unmarked import unmarked


@pytest.mark.parametrize(
    ("masked", "read"),
    [
        ("My card <CARD_1> was declined.", "My card was declined."),
        ("Send it to <IBAN_1>, not to <IBAN_2>!", "Send it to, not to!"),
        ("<CARD_1>: is it blocked?", ": is it blocked?"),
        ("<CARD_1>", "<CARD_1>"),
        ("<CARD_1> 12/27", "<CARD_1> 12/27"),
        ("Is 5 <6 and 7> 6?", "Is 5 <6 and 7> 6?"),
    ],
)
def test_placeholders_are_left_out_where_something_else_is_to_be_read(masked: str, read: str) -> None:
    assert unmarked(masked) == read
