"""The Job's work on documents as they come and go, and the gateway's search beside it."""

import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from banktuner_api.exit_codes import ExitCode
from banktuner_gateway.retrieval import pointer
from banktuner_gateway.retrieval.encoder import SentenceEncoder
from banktuner_gateway.retrieval.errors import RetrievalError
from banktuner_gateway.retrieval.indexing import Indexer
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.retriever import Retriever, Searched
from banktuner_gateway.retrieval.stores.base import VectorStore
from banktuner_gateway.retrieval.stores.faiss import FaissStore
from tests.gateway.retrieval.conftest import STORES, rows

FEES = b"# Fees\n\n## Cash machines\n\nA withdrawal at another bank's machine costs $2.50.\n"
LOANS = b"# Loans\n\n## Rates\n\nA personal loan costs 8.49 percent.\n"


class Counting:
    """The real encoder; notes what it was asked for."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.texts: list[str] = []
        self._encoder = encoder
        self.digest, self.dimension, self.max_tokens = encoder.digest, encoder.dimension, encoder.max_tokens
        self.offsets = encoder.offsets

    def encode(self, texts: list[str]):  # type: ignore[no-untyped-def]
        self.texts += texts
        return self._encoder.encode(texts)


@pytest.fixture
def indexer(documents: Folder, index: Folder, encoder: SentenceEncoder) -> Indexer:
    documents.put("fees.md", FEES)
    documents.put("loans/personal.md", LOANS)
    return Indexer(documents, index, FaissStore(index), "FAISS", Counting(encoder))  # type: ignore[arg-type]


@pytest.fixture
def retriever(index: Folder, encoder: SentenceEncoder) -> Retriever:
    return Retriever(lambda: Searched(encoder, FaissStore(index), index), 4)


def found(retriever: Retriever, question: str) -> list[str]:
    return [passage.chunk.text for passage in retriever.search(question)]


def test_a_question_finds_the_passage_that_answers(indexer: Indexer, retriever: Retriever) -> None:
    current = indexer.run()
    assert (current.documents, current.chunks, current.skipped, current.previous) == (2, 2, [], None)
    retriever.refresh()
    best = retriever.search("What do you charge when I take out cash elsewhere?")[0]
    assert (best.chunk.document, best.chunk.section) == ("fees.md", "Cash machines")
    assert best.score > 0.4


def test_before_anything_is_indexed_nothing_is_found(retriever: Retriever) -> None:
    retriever.refresh()
    assert retriever.search("What does it cost?") == []


def test_nothing_is_written_where_nothing_changed(indexer: Indexer, bucket: MemoryStore) -> None:
    first = indexer.run()
    before = {meta["path"]: meta["e_tag"] for batch in bucket.list() for meta in batch}
    indexer.encoder.texts.clear()  # type: ignore[attr-defined]
    assert indexer.run() == first
    assert indexer.encoder.texts == []  # type: ignore[attr-defined]
    assert {meta["path"]: meta["e_tag"] for batch in bucket.list() for meta in batch} == before


def test_only_chunks_that_changed_are_embedded(indexer: Indexer, documents: Folder, retriever: Retriever) -> None:
    indexer.run()
    indexer.encoder.texts.clear()  # type: ignore[attr-defined]
    documents.put("fees.md", FEES.replace(b"$2.50", b"$3.75"))
    assert indexer.run().chunks == 2
    asked = indexer.encoder.texts  # type: ignore[attr-defined]
    assert asked and all("$3.75" in text for text in asked)
    retriever.refresh()
    assert "costs $3.75" in found(retriever, "cash machine fee")[0]


def test_a_document_that_is_gone_is_found_no_more(indexer: Indexer, documents: Folder, retriever: Retriever) -> None:
    indexer.run()
    documents.delete("fees.md")
    indexer.run()
    retriever.refresh()
    assert found(retriever, "cash machine fee") == ["A personal loan costs 8.49 percent."]


def test_broken_documents_are_named_and_skipped(
    indexer: Indexer, documents: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    documents.put("broken.pdf", b"%PDF-1.7 secret text")
    documents.put("latin.txt", b"\xfcber")
    documents.put(".hidden/note.md", b"# Hidden")
    documents.put("photo.jpg", b"\xff\xd8")
    with caplog.at_level(logging.INFO, "banktuner.retrieval"):
        current = indexer.run()
    assert current.documents == 2
    assert [one.path for one in current.skipped] == ["broken.pdf", "latin.txt"]
    assert "2 documents read, 2 skipped" in caplog.text
    assert "secret text" not in caplog.text


def test_an_index_that_serves_is_not_replaced_by_an_empty_one(indexer: Indexer, documents: Folder) -> None:
    current = indexer.run()
    for path in ("fees.md", "loans/personal.md"):
        documents.put(path, b"\xff")
    with pytest.raises(RetrievalError) as raised:
        indexer.run()
    assert raised.value.exit_code is ExitCode.INVALID_DATA
    assert pointer.read(indexer.index).current == current


def test_the_job_that_finishes_second_does_not_switch(indexer: Indexer, index: Folder) -> None:
    indexer.run()
    seen = pointer.read(index)
    indexer.documents.put("fees.md", FEES + b"More.\n")
    newer = indexer.run()
    assert seen.current is not None
    with pytest.raises(RetrievalError) as raised:
        pointer.switch(index, seen.current, seen)
    assert raised.value.exit_code is ExitCode.INTERRUPTED
    assert pointer.read(index).current == newer


def test_two_first_jobs_do_not_both_switch(indexer: Indexer, index: Folder) -> None:
    nothing = pointer.read(index)
    current = indexer.run()
    with pytest.raises(RetrievalError, match="another indexing Job"):
        pointer.switch(index, current, nothing)


def test_the_previous_generation_stays_and_older_ones_go(indexer: Indexer) -> None:
    indexer.store.write("g20200101t000000dead", rows("left-over.md", 3))
    generations = []
    for number in range(3):
        indexer.documents.put("fees.md", FEES + b"Again. " * number)
        generations.append(indexer.run().generation)
    assert indexer.store.generations() == sorted(generations)[1:]


def test_a_lost_generation_is_written_again(indexer: Indexer) -> None:
    first = indexer.run()
    indexer.store.drop(first.generation)
    second = indexer.run()
    assert second.generation != first.generation
    assert indexer.store.generations() == [second.generation]


def test_an_index_of_another_encoder_is_not_searched(indexer: Indexer, retriever: Retriever, index: Folder) -> None:
    current = indexer.run()
    other = current.model_copy(update={"encoder": f"sha256:{'0' * 64}"})
    index.put(pointer.NAME, other.model_dump_json(by_alias=True).encode())
    with pytest.raises(RetrievalError, match="another encoder"):
        retriever.refresh()
    assert retriever.search("cash machine fee") == []


def test_a_broken_new_generation_leaves_the_old_one_searched(
    indexer: Indexer, documents: Folder, index: Folder, retriever: Retriever
) -> None:
    retriever.start()
    assert retriever.problem is not None
    indexer.run()
    retriever.refresh()
    documents.put("fees.md", FEES.replace(b"$2.50", b"$3.75"))
    newer = indexer.run()
    index.put(f"{newer.generation}/chunks.jsonl", b"{}\n")
    with pytest.raises(RetrievalError, match="manifest"):
        retriever.refresh()
    assert "costs $2.50" in found(retriever, "cash machine fee")[0]
    retriever.stop()


def test_embeddings_that_cannot_be_read_are_made_again(indexer: Indexer, index: Folder) -> None:
    indexer.run()
    (name,) = [entry.path for entry in index.list() if entry.path.startswith("embeddings/")]
    index.put(name, b"not numpy's")
    indexer.documents.put("fees.md", FEES + b"More.\n")
    assert indexer.run().chunks == 2


def test_the_pointer_is_json_for_people_too(indexer: Indexer, index: Folder) -> None:
    current = indexer.run()
    told = json.loads(index.get(pointer.NAME).data)
    assert (told["generation"], told["documents"]) == (current.generation, 2)


@pytest.fixture(params=["FAISS", "Chroma", "Qdrant"])
def shared_store(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    yield from STORES[request.param](request)


def test_searches_during_reindexing_see_one_whole_generation(
    shared_store: VectorStore, documents: Folder, index: Folder, encoder: SentenceEncoder
) -> None:
    """Every document names its edition; no answer may mix editions, fail, or lack a passage."""

    def publish(edition: int) -> None:
        for number in range(4):
            text = f"# Fees {number}\n\nEdition {edition}: a withdrawal at a cash machine costs {edition} dollars.\n"
            documents.put(f"fees-{number}.md", text.encode())
        Indexer(documents, index, shared_store, "test", encoder).run()

    publish(1)
    retriever = Retriever(lambda: Searched(encoder, shared_store, index), 4)
    retriever.refresh()
    seen: list[list[str]] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append([text.split(":")[0] for text in found(retriever, "What does a withdrawal cost?")])
            retriever.refresh()

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            for edition in range(2, 6):
                publish(edition)
        finally:
            done.set()
        asking.result()
    assert {len(answer) for answer in seen} == {4}
    assert all(len(set(answer)) == 1 for answer in seen)
    retriever.refresh()
    assert set(found(retriever, "What does a withdrawal cost?")) == {
        "Edition 5: a withdrawal at a cash machine costs 5 dollars."
    }


def test_the_work_folder_may_be_used_again(tmp_path: Path, documents: Folder, encoder: SentenceEncoder) -> None:
    from banktuner_gateway.retrieval.encoder import LIMITS, MODEL, TOKENIZER, bring_encoder
    from bench.gateway.retrieval_encoder import encoder_folder

    for name in (MODEL, TOKENIZER, LIMITS):
        documents.put(name, (encoder_folder() / name).read_bytes())
    bring_encoder(documents, tmp_path)
    bring_encoder(documents, tmp_path)
    assert SentenceEncoder(tmp_path).digest == encoder.digest
    documents.delete(MODEL)
    with pytest.raises(RetrievalError, match=r"onnx/model\.onnx"):
        bring_encoder(documents, tmp_path)
