"""Pieces for a model that reads sentences: without gaps, bounded, and the same while a text still arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banktuner_gateway.privacy.sentences import AROUND, LONGEST_SENTENCE, pieces

PARTS = [
    "John",
    " ",
    " ",
    "Mr. ",
    "J. ",
    ". ",
    "! ",
    "?\n",
    "\n",
    "\n\n",
    "- ",
    "a, ",
    ":\n",
    "1",
    "word " * 30,
    "x" * 90,
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=40).map("".join)


def cut(text: str) -> list[str]:
    return [text[piece.start : piece.end] for piece in pieces(text, 0, at_end=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am Mr. John B. Smith. Call me!", ["I am Mr. John B. Smith. ", "Call me!"]),
        ('He said "no!" Then he left.', ['He said "no!" ', "Then he left."]),
        ("Names:\n- Anna Bell\n- Omar Khan\n", ["Names:\n", "- Anna Bell\n", "- Omar Khan\n"]),
        ("Dear Anna\nBell, I write", ["Dear Anna\nBell, I write"]),
        ("3.5 percent at bank.com", ["3.5 percent at bank.com"]),
        ("", []),
    ],
)
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


def test_a_long_sentence_is_cut_at_a_space_and_read_beyond() -> None:
    text = "word " * 200
    found = list(pieces(text, 0, at_end=True))
    assert all(text[piece.end - 1] == " " for piece in found)
    assert found[1].first == found[1].start - AROUND and found[1].last == found[1].end + AROUND


@given(TEXTS)
def test_pieces_have_no_gaps_and_a_bound(text: str) -> None:
    found = list(pieces(text, 0, at_end=True))
    assert "".join(text[piece.start : piece.end] for piece in found) == text
    assert all(piece.end - piece.start <= LONGEST_SENTENCE for piece in found)
    assert all(piece.first <= piece.start and piece.end <= piece.last for piece in found)


@given(TEXTS, st.integers(0, 400))
def test_what_is_cut_early_is_what_the_whole_text_has(text: str, length: int) -> None:
    whole = list(pieces(text, 0, at_end=True))
    early = list(pieces(text[:length], 0, at_end=False))
    assert early == whole[: len(early)]
    certain = early[-1].end if early else 0
    assert len(text[:length]) - certain < LONGEST_SENTENCE + AROUND
