"""Quality of retrieval: the example policies indexed and asked as in production, beside BM25 on the same chunks."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from obstore.store import MemoryStore

from banktuner_gateway.retrieval.chunks import chunks_of
from banktuner_gateway.retrieval.encoder import SentenceEncoder
from banktuner_gateway.retrieval.indexing import Indexer
from banktuner_gateway.retrieval.objects import Folder
from banktuner_gateway.retrieval.readers import read_document
from banktuner_gateway.retrieval.retriever import Retriever, Searched
from banktuner_gateway.retrieval.stores.faiss import FaissStore
from banktuner_gateway.retrieval.types import Chunk, embedded_text
from bench.gateway.retrieval_encoder import encoder_folder
from bench.places import ROOT
from bench.rows import Measurement, Row, Settings

KNOWLEDGE = ROOT / "examples" / "knowledge"
TOP_K = 4
BARS = {"retrieval_recall_at_4": 0.82, "retrieval_mrr": 0.68, "retrieval_document_recall_at_4": 0.92}

Search = Callable[[str], list[Chunk]]


@dataclass(frozen=True)
class Question:
    """`answers`: each (document, section) that answers it."""

    text: str
    answers: frozenset[tuple[str, str]]


def questions() -> list[Question]:
    """Those of examples/knowledge/questions.jsonl."""
    lines = (KNOWLEDGE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Question(one["question"], frozenset((answer["document"], answer["section"]) for answer in one["answers"]))
        for one in map(json.loads, lines)
    ]


def indexed(encoder: SentenceEncoder) -> Retriever:
    """The policies in an index of FAISS, in memory."""
    bucket = MemoryStore()
    for path in sorted((KNOWLEDGE / "policies").glob("*.md")):
        bucket.put(f"policies/{path.name}", path.read_bytes())
    index = Folder(bucket, "index", "index")
    store = FaissStore(index)
    Indexer(Folder(bucket, "policies", "documents"), index, store, "FAISS", encoder).run()
    retriever = Retriever(lambda: Searched(encoder, store, index), TOP_K)
    retriever.refresh()
    return retriever


def bm25(chunks: Sequence[Chunk]) -> Search:
    """The usual word statistics (k1 1.5, b 0.75) over the same chunks; words as they are, in lower case."""
    words = [Counter(_words(embedded_text(chunk.title, chunk.section, chunk.text))) for chunk in chunks]
    lengths = [sum(counts.values()) for counts in words]
    mean = sum(lengths) / len(lengths)
    holding = Counter(word for counts in words for word in counts)

    def score(place: int, question: set[str]) -> float:
        total = 0.0
        for word in question & words[place].keys():
            rarity = math.log(1 + (len(chunks) - holding[word] + 0.5) / (holding[word] + 0.5))
            count = words[place][word]
            total += rarity * count * 2.5 / (count + 1.5 * (0.25 + 0.75 * lengths[place] / mean))
        return total

    def search(question: str) -> list[Chunk]:
        asked = set(_words(question))
        return [chunks[place] for place in sorted(range(len(chunks)), key=lambda place: -score(place, asked))[:TOP_K]]

    return search


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def judged(search: Search, asked: Sequence[Question]) -> dict[str, list[float]]:
    """For each row's name a value a question: found or not, and the reciprocal rank (0 beyond the fourth)."""
    runs: dict[str, list[float]] = {name: [] for name in BARS}
    for question in asked:
        found = search(question.text)
        right = [(chunk.document, chunk.section) in question.answers for chunk in found]
        documents = {document for document, _ in question.answers}
        runs["retrieval_recall_at_4"].append(float(any(right)))
        runs["retrieval_mrr"].append(1 / (1 + right.index(True)) if any(right) else 0.0)
        runs["retrieval_document_recall_at_4"].append(float(any(chunk.document in documents for chunk in found)))
    return runs


def rows() -> list[Row]:
    """Ours and BM25's, of every question."""
    encoder = SentenceEncoder(encoder_folder())
    retriever = indexed(encoder)
    documents = [read_document(path.name, path.read_bytes()) for path in sorted((KNOWLEDGE / "policies").glob("*.md"))]
    words = bm25([chunk for document in documents for chunk in chunks_of(document, encoder)])
    ours = judged(lambda text: [passage.chunk for passage in retriever.search(text)], questions())
    theirs = judged(words, questions())
    return [
        Row(name, _mean(ours[name]), "share", bar, f"BM25 on the same chunks: {_mean(theirs[name]):.3f}", ours[name])
        for name, bar in BARS.items()
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def measure(_: Settings) -> list[Row]:
    """On the repository's own documents and questions."""
    return rows()


MEASUREMENTS = (Measurement(tuple(BARS), measure),)
