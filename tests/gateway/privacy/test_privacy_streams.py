"""Answers in pieces: however they are split, what is sent is what the whole text would give."""

import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_api.gateway import Entity
from banktuner_gateway.privacy import Masker, StreamMasker, StreamRestorer, Vault
from banktuner_gateway.privacy.spans import AFTER, LONGEST
from bench.gateway.privacy_look_alikes import look_alikes
from bench.gateway.privacy_sentences import personal

MASKER = Masker()
WITH_ENTITIES = Masker([Entity(name="CUSTOMER", pattern=r"\bKD[- ]?[0-9]{6,8}\b"), Entity(name="AB", pattern="ab+c?")])
PUBLIC = ["4111", "12345678", "+44 555 0132", "anna@x.com", "KD-123456", "GB82 WEST 1234 5698 7654 32", "123-45-6789"]
WITH_PUBLIC = Masker([Entity(name="CUSTOMER", pattern=r"\bKD[- ]?[0-9]{6,8}\b")], allow=PUBLIC)
PIECES = [
    *(
        "4111 1111 1111 1111",
        "4111",
        "1111",
        "4 ",
        " ",
        "  ",
        "\n",
        "-",
        ".",
        ",",
        "(",
        "+44",
        " is my pin",
        " my ",
        "account ",
    ),
    *(
        "GB82 WEST 1234 5698 7654 32",
        "GB82",
        " WEST",
        " at ",
        " dot ",
        "com",
        "(at)",
        "[dot]",
        "anna",
        "@",
        "x.com",
        "cvv ",
    ),
    *(
        "12",
        "123-45-6789",
        "\u200b",
        "\uff11",
        "\u2026",
        "\u00bd",
        "12345678",
        "<CARD_1>",
        "$",
        "5.00",
        " USD",
        "the ",
        "a",
    ),
    *("021000021", "call ", "555", "0132", "<", "KD-123456", "abbc", "\u00e9", "iban", "routing "),
    *("4111<br>1111<br>", "<br>", "&nbsp;", "    ", "** **", ")(", "4111-1111-1111-1111", "-12-27", " 09/27 ", "20 "),
    *(" ist meine PIN", " \u00e9 o meu ", "Konto ", " . ", "e-mail ", " @ ", "bank", ". com", "(a)"),
]
ITEMS = [item.text for item in personal(5, 60) + look_alikes(5, 60)]
TEXTS = st.lists(st.sampled_from(PIECES) | st.sampled_from(ITEMS) | st.text(max_size=3), max_size=12).map("".join)


def chunks(text: str, sizes: list[int]) -> list[str]:
    """`text` in pieces of `sizes`, over and over."""
    result, place, turn = [], 0, 0
    while place < len(text):
        size = sizes[turn % len(sizes)]
        result.append(text[place : place + size])
        place, turn = place + size, turn + 1
    return result


SIZES = st.lists(st.integers(1, 12), min_size=1, max_size=6)


@pytest.mark.parametrize("masker", [MASKER, WITH_ENTITIES, WITH_PUBLIC], ids=["built-in", "entities", "public"])
@settings(max_examples=60, deadline=None)
@given(text=TEXTS, sizes=SIZES)
def test_any_split_is_masked_as_the_whole(masker: Masker, text: str, sizes: list[int]) -> None:
    stream = StreamMasker(masker)
    sent = [stream.feed(chunk) for chunk in chunks(text, sizes)] + [stream.flush()]
    assert "".join(sent) == masker.redact(text)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS.map(lambda text: text.replace("<", "")), sizes=SIZES)
def test_each_label_that_is_sent_is_counted_once(text: str, sizes: list[int]) -> None:
    stream = StreamMasker(MASKER)
    sent = "".join([stream.feed(chunk) for chunk in chunks(text, sizes)] + [stream.flush()])
    assert stream.counts == Counter(re.findall("<([A-Z_]+)>", sent))


@settings(max_examples=100, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["<CARD_1>", "<CARD_2>", "<", "CARD_1>", "<CARD", "_", "1", ">", "a", "<TEXT_1>"]), max_size=20
    ),
    sizes=SIZES,
)
def test_any_split_is_restored_as_the_whole(pieces: list[str], sizes: list[int]) -> None:
    vault = Vault()
    MASKER.mask("4111111111111111 <CARD_2>", vault)
    text = "".join(pieces)
    stream = StreamRestorer(vault)
    sent = [stream.feed(chunk) for chunk in chunks(text, sizes)] + [stream.flush()]
    assert "".join(sent) == MASKER.restore(text, vault)


@pytest.mark.parametrize("text", ["4 " * 500, "1 " * 500, "4111 1111 1111 1111 " * 40, "a" * 1000, "GB82 " * 200])
def test_what_is_held_back_is_bounded(text: str) -> None:
    stream, arrived, sent = StreamMasker(MASKER), 0, ""
    held = []
    for chunk in chunks(text, [40, 7]):
        arrived += len(chunk)
        sent += stream.feed(chunk)
        held.append(len(stream.held))
    assert max(held) <= 2 * LONGEST + AFTER + 40
    assert sent + stream.flush() == MASKER.redact(text)


def test_plain_words_hardly_wait() -> None:
    stream = StreamMasker(MASKER)
    answer = "You can freeze a card in the app at once, and the fee is 5.00 euros a year if you ask us for it"
    for word in answer.split():
        stream.feed(word + " ")
    assert stream.held == "for it "


def test_a_number_split_over_chunks_never_leaves() -> None:
    stream = StreamMasker(MASKER)
    sent = [stream.feed(character) for character in "It is 4111 1111 1111 1111, sir."]
    assert not any(digit in "".join(sent) for digit in "41")
    assert "".join(sent) + stream.flush() == "It is <CARD>, sir."
