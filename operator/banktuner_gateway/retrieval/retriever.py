"""The gateway's search: embeds a question, asks the vector store, and follows the index without a pause."""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from banktuner_api.serving import RetrievalConfig
from banktuner_gateway.retrieval import pointer
from banktuner_gateway.retrieval.encoder import SentenceEncoder, bring_encoder
from banktuner_gateway.retrieval.errors import RetrievalError, encoder_not_written, invalid_config
from banktuner_gateway.retrieval.objects import Folder, open_folder
from banktuner_gateway.retrieval.pointer import Current
from banktuner_gateway.retrieval.stores import open_vector_store
from banktuner_gateway.retrieval.stores.base import VectorStore
from banktuner_gateway.retrieval.types import Passage, Vectors

logger = logging.getLogger("banktuner.gateway.retrieval")

REFRESH_SECONDS = 15.0
FIRST_SECONDS = 15.0
"""How long the gateway's start waits for the first look at the index; what takes longer goes on beside it."""
ROWS_A_PASSAGE = 8
"""Rows asked for each passage wanted: a chunk has several vectors, and they are often next to each other."""


@dataclass(frozen=True)
class Searched:
    """What a search needs."""

    encoder: SentenceEncoder
    store: VectorStore
    index: Folder


class Retriever:
    """Searches one whole generation at a time. `search` may be called by several threads."""

    def __init__(self, connect: Callable[[], Searched], top_k: int) -> None:
        """`connect`: asked again until it raises no RetrievalError. `top_k`: passages a question."""
        self._connect = connect
        self._top_k = top_k
        self._searched: Searched | None = None
        self._current: Current | None = None
        self._problem: str | None = "the index has not been looked at yet"
        # One at a time: two that connect would write the encoder's files over each other's.
        self._refreshing = threading.Lock()
        self._stopped = threading.Event()
        self._looked = threading.Event()
        # A daemon: a slow object store must not hold up the process's end.
        self._thread = threading.Thread(target=self._follow, name="retrieval", daemon=True)

    @property
    def generation(self) -> str | None:
        """What is searched; None before anything was indexed."""
        return self._current.generation if self._current else None

    @property
    def problem(self) -> str | None:
        """Why the newest index is not searched (an older one may be), for /readyz; None where it is."""
        return self._problem

    def start(self) -> None:
        """Follow the index in the background. Waits for the first look at it, `FIRST_SECONDS` at most."""
        self._thread.start()
        self._looked.wait(FIRST_SECONDS)

    def stop(self) -> None:
        """Ask the thread to end and let go of connections; does not wait."""
        self._stopped.set()
        if self._searched is not None:
            self._searched.store.close()

    def search(self, question: str) -> list[Passage]:
        """The passages next to the question, best first, each once; none before an index could be taken.

        Blocks: the encoder's CPU time (about 5 ms with MiniLM) and the store's answer. Raises RetrievalError.
        """
        searched, current = self._searched, self._current
        if searched is None or current is None:
            return []
        vector = searched.encoder.encode([question])[0]
        try:
            return self._passages(searched, current, vector)
        except RetrievalError:
            # After a long pause of this process the generation may be gone.
            self.refresh()
            if self._current is None or self._current.generation == current.generation:
                raise
            return self._passages(searched, self._current, vector)

    def refresh(self) -> None:
        """Search the generation that the index's pointer names, once it answers. Waits. Raises RetrievalError."""
        with self._refreshing:
            if self._searched is None:
                self._searched = self._connect()
            self._take_newest(self._searched)

    def _take_newest(self, searched: Searched) -> None:
        newest = pointer.read(searched.index).current
        if newest is None or (self._current and newest.generation == self._current.generation):
            return
        if newest.encoder != searched.encoder.digest:
            message = "the index was made with another encoder; run the indexing Job with this one"
            raise invalid_config(message, "knowledge.embedding.uri")
        searched.store.search(newest.generation, searched.encoder.encode(["probe"])[0], 1)
        self._current = newest
        fields = {"generation": newest.generation, "documents": newest.documents, "chunks": newest.chunks}
        logger.info("index taken", extra={"fields": fields})

    def _passages(self, searched: Searched, current: Current, vector: Vectors) -> list[Passage]:
        best: dict[tuple[str, int], Passage] = {}
        for passage in searched.store.search(current.generation, vector, ROWS_A_PASSAGE * self._top_k):
            best.setdefault((passage.chunk.document, passage.chunk.position), passage)
        return list(best.values())[: self._top_k]

    def _follow(self) -> None:
        self._try_refresh()
        self._looked.set()
        while not self._stopped.wait(REFRESH_SECONDS):
            self._try_refresh()

    def _try_refresh(self) -> None:
        try:
            self.refresh()
            self._problem = None if self._current else "nothing has been indexed yet"
        except RetrievalError as error:
            self._problem = error.message
            logger.warning("the index cannot be taken", extra={"fields": {"reason": error.reason}})


def open_retriever(config: RetrievalConfig, environment: Mapping[str, str], work: Path) -> Retriever:
    """Brings the encoder into `work` and connects when it is started, and again until that succeeds."""

    def connect() -> Searched:
        try:
            bring_encoder(open_folder(config.embedding, "knowledge.embedding", environment), work)
        except OSError as error:
            raise encoder_not_written(error) from error
        index = open_folder(config.index, "knowledge.documents", environment)
        return Searched(SentenceEncoder(work), open_vector_store(config, index, environment), index)

    return Retriever(connect, config.top_k)
