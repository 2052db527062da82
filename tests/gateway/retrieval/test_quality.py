"""Retrieval on the example policies stays as good as it was measured; the bars are those of the bench."""

from pathlib import Path

import pytest

from banktuner_gateway.retrieval.readers import read_document
from bench.gateway.retrieval import KNOWLEDGE, questions, rows


def test_every_answer_names_a_section_that_is_there() -> None:
    documents = [read_document(path.name, path.read_bytes()) for path in (KNOWLEDGE / "policies").glob("*.md")]
    there = {(one.path, " > ".join(section.heading)) for one in documents for section in one.sections}
    asked = questions()
    assert len(documents) >= 10
    assert len(asked) >= 60
    assert {answer for question in asked for answer in question.answers} <= there


def test_recall_and_rank_reach_their_bars() -> None:
    missed = {row.name: row.value for row in rows() if not row.passes}
    assert not missed


@pytest.mark.parametrize("path", sorted((KNOWLEDGE / "policies").glob("*.md")), ids=lambda path: path.stem)
def test_a_policy_has_400_to_900_words(path: Path) -> None:
    assert 400 <= len(path.read_text(encoding="utf-8").split()) <= 900
