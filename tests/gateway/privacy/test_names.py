"""People's names by a token classifier: whole words, in windows, in streams, and never let through unjudged."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_gateway.privacy import Masker, StreamMasker, StreamRestorer, Vault
from banktuner_gateway.privacy.names import NameRecogniser
from banktuner_gateway.privacy.sentences import AROUND, LONGEST_SENTENCE
from banktuner_gateway.privacy.spans import AFTER, LONGEST, Span
from tests.gateway.privacy.conftest import table_model

PERSON, INSIDE, PLACE, NOTHING = [0.0, 9.0, 0.0, 0.0], [0.0, 0.0, 9.0, 0.0], [0.0, 0.0, 0.0, 9.0], [9.0, 0.0, 0.0, 0.0]
TABLE = {
    **{word: PERSON for word in ("John", "Mary", "J", "Anne")},
    **{word: INSIDE for word in ("Smith", "Bell", "##kafor")},
    **{"O": NOTHING, "London": PLACE, "Marie": [0.0, 0.5, 0.5, 0.0], "CARD": PERSON, "PERSON": PERSON},
}


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> NameRecogniser:
    return NameRecogniser(table_model(tmp_path_factory.mktemp("names") / "table", TABLE, max_position_embeddings=12))


@pytest.fixture(scope="module")
def masker(names: NameRecogniser) -> Masker:
    return Masker(names=names)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I am John Smith.", ["John Smith"]),
        ("John Smith and Mary", ["John Smith", "Mary"]),
        ("Smith, John", ["Smith", "John"]),
        ("J. Smith's card", ["J. Smith"]),
        ("Anne-Marie Bell lives in London", ["Anne-Marie Bell"]),
        ("Is Okafor here?", ["Okafor"]),
        ("4711 London", []),
        ("", []),
    ],
)
def test_a_word_is_a_name_where_any_of_its_pieces_is(names: NameRecogniser, text: str, found: list[str]) -> None:
    assert [text[span.start : span.end] for span in names.find(text)] == found


def test_the_shares_of_all_person_labels_count_together(names: NameRecogniser) -> None:
    (span,) = names.find("Marie")
    assert span.score == pytest.approx(2 * 2.71828**0.5 / (2 * 2.71828**0.5 + 2), abs=1e-4)


def test_a_text_longer_than_the_model_reads_is_read_in_windows(names: NameRecogniser) -> None:
    text = " ".join("John" if place % 7 == 0 else "word" for place in range(300))
    assert [span.start for span in names.find(text)] == [match.start() for match in re.finditer("John", text)]


def test_a_name_keeps_its_placeholder_and_comes_back(masker: Masker) -> None:
    vault = Vault()
    text = "I am John  Smith, my card is 4111 1111 1111 1111. Mary knows John Smith."
    masked = masker.mask(text, vault)
    assert masked == "I am <PERSON_1>, my card is <CARD_1>. <PERSON_2> knows <PERSON_1>."
    assert Masker.restore(masked, vault) == text.replace("John Smith", "John  Smith")
    later = Vault.from_json(vault.to_json())
    assert masker.mask("is mary my adviser, or JOHN SMITH?", later) == "is mary my adviser, or <PERSON_1>?"
    assert masker.mask("Mary?", later) == "<PERSON_2>?"


def test_placeholders_are_no_names_and_a_typed_one_stands_for_itself(masker: Masker) -> None:
    vault = Vault()
    text = "<PERSON_7> has 4111 1111 1111 1111"
    assert masker.mask(text, vault) == "<TEXT_1> has <CARD_1>"
    assert masker.redact("Dear <PERSON_7>, Mary has 4111 1111 1111 1111") == "Dear <PERSON_7>, <PERSON> has <CARD>"


def test_a_name_in_an_address_stays_a_part_of_it(masker: Masker) -> None:
    assert masker.redact("Mail John.Smith@example.com or John") == "Mail <EMAIL> or <PERSON>"


def test_invisible_characters_hide_no_name(masker: Masker) -> None:
    assert masker.redact("I am Jo\u200bhn \uff33mith.") == "I am <PERSON>."


class Fickle:
    """Judges a word by everything that it was read with: what is read in a stream must be what is read in the whole."""

    def find(self, text: str) -> list[Span]:
        dice = hashlib.sha256(text.encode()).digest()
        words = [match.span() for match in re.finditer(r"\w+", text)]
        return [Span("PERSON", *word, 0.9) for place, word in enumerate(words) if dice[place % 32] % 3 == 0]


PIECES = ["John", "Smith", " ", " ", ". ", "Mr.", "\n", ", ", "4111 1111 1111 1111", "4111", "<PERSON_1>", "is my PIN"]
LONG = ["and so on " * 12, "x" * 200, "\u200b", "\uff33mith", "anna@example.com", "\u0301"]
STREAMS = st.lists(st.sampled_from([*PIECES, *LONG]), max_size=25)
BOUND = 2 * LONGEST + AFTER + LONGEST_SENTENCE + AROUND


@settings(deadline=None)
@given(STREAMS)
def test_a_stream_is_masked_as_the_whole_text_is(parts: list[str]) -> None:
    masker = Masker(names=Fickle())
    stream = StreamMasker(masker)
    sent = []
    for part in parts:
        sent.append(stream.feed(part))
        visible = sum(character not in "\u200b\u0301" for character in stream.held)
        assert visible <= BOUND + len(part)
    assert "".join(sent) + stream.flush() == masker.redact("".join(parts))


def test_a_name_that_arrives_letter_by_letter_is_masked(masker: Masker) -> None:
    text = "Hello. Your adviser is John Smith. <PERSON_1>, call him."
    vault = Vault()
    masker.mask("I am Mary", vault)
    stream, restorer = StreamMasker(masker), StreamRestorer(vault)
    sent = [restorer.feed(stream.feed(letter)) for letter in text]
    assert "".join(sent)[:7] == "Hello. ", "a sentence leaves when it has ended"
    whole = "".join(sent) + restorer.feed(stream.flush()) + restorer.flush()
    assert whole == "Hello. Your adviser is <PERSON>. Mary, call him."
    assert stream.counts == {"PERSON": 1}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ({"0": "O", "1": "B-LOC", "2": "I-LOC", "3": "B-ORG"}, "no label PER or PERSON"),
        ({"0": "O", "1": "B-PER"}, "4 scores a token"),
        ({"1": "O", "2": "B-PER"}, "from 0 on"),
    ],
)
def test_a_model_that_cannot_tell_people_is_refused(tmp_path: Path, labels: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        NameRecogniser(table_model(tmp_path / "model", TABLE, labels))


def test_plain_and_spelled_out_labels_are_people_too(tmp_path: Path) -> None:
    labels = {"0": "O", "1": "PERSON", "2": "I-person", "3": "LOC"}
    found = NameRecogniser(table_model(tmp_path / "model", TABLE, labels)).find("John Smith in London")
    assert [(span.start, span.end) for span in found] == [(0, 10)]


def test_a_model_that_gives_no_numbers_lets_nothing_through(tmp_path: Path) -> None:
    model = table_model(tmp_path / "model", {**TABLE, "Zoe": [float("nan")] * 4})
    masker = Masker(names=NameRecogniser(model))
    with pytest.raises(ValueError, match="no numbers"):
        masker.mask("I am Zoe", Vault())
    stream = StreamMasker(masker)
    with pytest.raises(ValueError, match="no numbers"):
        stream.feed("I am Zoe. " + stream.flush())
        stream.flush()


HELD_OUT = """Grace Hopper|Nikola Tesla|Wangari Maathai|Toni Kroos|Benedikt Vogel|Rosalind Franklin|Marguerite Duras|
Ravindra Jadeja|Siobhan Gallagher|Bartholomew Finch|Anneliese Brandt|Desmond Tutu|Tomasz Zielinski|Isolde Haverkamp|
Leopold Quartermain|Farida Benyamina|Hildegard Bingen|Ikechukwu Eze|Svetlana Morozova|Giacomo Bellini""".replace(
    "\n", ""
).split("|")
SAID = ("Hello, my name is {} and I lost my card.", "Please send 200 dollars to {}.", "Is {} still my adviser?")
NOBODY = (
    "How do I freeze my card?",
    "What is the fee for a transfer to Spain?",
    "Your card will arrive on Monday.",
    "The account is free of charge.",
    "Open the app and choose Cards.",
    "I want to speak with an adviser about my loan.",
)


def test_a_trained_model_masks_names_that_it_never_saw(trained_names: Path) -> None:
    script = Path(__file__).with_name("train_names.py").read_text()
    assert not [part for name in HELD_OUT for part in name.split() if part in script]
    masker = Masker(names=NameRecogniser(trained_names))
    leaked = []
    for name in HELD_OUT:
        for said in SAID:
            masked = masker.mask(said.format(name), Vault())
            leaked += [part for part in name.split() if part in masked]
    assert len(leaked) <= 0.02 * 2 * len(HELD_OUT) * len(SAID), leaked
    assert [text for text in NOBODY if masker.redact(text) != text] == []


def test_a_trained_model_reads_what_is_longer_than_it_can_read(trained_names: Path) -> None:
    positions = json.loads((trained_names / "config.json").read_text())["max_position_embeddings"]
    text = ", ".join("my name is Grace Hopper and I lost my card" for _ in range(20))
    recogniser = NameRecogniser(trained_names)
    assert len(text.split()) > 2 * positions
    assert len([span for span in recogniser.find(text) if "Hopper" in text[span.start : span.end]]) == 20
