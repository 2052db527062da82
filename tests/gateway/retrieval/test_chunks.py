"""Chunks fit the encoder, overlap, lose nothing and know where they come from."""

from hypothesis import given, settings
from hypothesis import strategies as st

from banktuner_gateway.retrieval.chunks import OVERLAP_TOKENS, chunks_of, sentences
from banktuner_gateway.retrieval.types import Document, Section, embedded_text


class Words:
    """A tokenizer whose tokens are the words."""

    max_tokens = 60

    def offsets(self, text: str) -> list[tuple[int, int]]:
        found, begin = [], None
        for place, one in enumerate(f"{text} "):
            if one.isspace() and begin is not None:
                found.append((begin, place))
                begin = None
            elif not one.isspace() and begin is None:
                begin = place
        return found


def document(*sections: Section) -> Document:
    return Document("fees.md", "Fees", sections)


def test_a_chunk_knows_document_section_and_position() -> None:
    found = chunks_of(document(Section((), "First."), Section(("Cash", "Abroad"), "Second.")), Words())
    assert [(one.document, one.title, one.section, one.position, one.text) for one in found] == [
        ("fees.md", "Fees", "", 0, "First."),
        ("fees.md", "Fees", "Cash > Abroad", 1, "Second."),
    ]
    assert found[0].sha256 != found[1].sha256


def test_a_heading_that_changes_makes_another_chunk() -> None:
    one, other = (chunks_of(document(Section((name,), "Same text.")), Words())[0] for name in ("A", "B"))
    assert one.text == other.text
    assert one.sha256 != other.sha256


def test_chunks_overlap_by_whole_sentences() -> None:
    text = " ".join(f"This is sentence number {number} here." for number in range(30))
    first, second, *_ = chunks_of(document(Section((), text)), Words())
    shared = [one.strip() for one in sentences(first.text) if one.strip() in second.text]
    assert shared
    assert second.text.startswith(" ".join(shared))
    assert sum(len(one.split()) for one in shared) <= OVERLAP_TOKENS


def test_abbreviations_and_numbers_end_no_sentence() -> None:
    line = "We charge approx. 2.50 dollars. Mr. Smith paid No. 7 (e.g. A). Then he left."
    assert [one.strip() for one in sentences(line)] == [
        "We charge approx. 2.50 dollars.",
        "Mr. Smith paid No. 7 (e.g. A).",
        "Then he left.",
    ]


WORDS = st.lists(st.text("abcXYZ.!?1 \n", max_size=12), max_size=200).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(text=WORDS, heading=st.text("ab ", max_size=300))
def test_every_word_is_in_a_chunk_that_the_encoder_reads_whole(text: str, heading: str) -> None:
    tokens = Words()
    found = chunks_of(document(Section((heading,), text)), tokens)
    left = text.split()
    for one in found:
        room = max(32, tokens.max_tokens - 2 - len(tokens.offsets(embedded_text(one.title, one.section, ""))))
        assert len(one.text.split()) <= room
    told = [word for one in found for word in one.text.split()]
    position = 0
    for word in left:
        # Overlaps repeat words, so the text is a subsequence of what the chunks say.
        position = told.index(word, position) + 1


def test_a_sentence_longer_than_a_chunk_is_cut() -> None:
    found = chunks_of(document(Section((), " ".join(f"word{number}" for number in range(200)))), Words())
    assert [word for one in found for word in one.text.split()] == [f"word{number}" for number in range(200)]
    assert max(len(one.text.split()) for one in found) <= 57
