"""The gateway's search: embeds a question, asks the vector store, and follows the index without a pause."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from banktuner_api.serving import RetrievalConfig
from banktuner_gateway.retrieval import pointer
from banktuner_gateway.retrieval.encoder import SentenceEncoder, bring_encoder
from banktuner_gateway.retrieval.errors import RetrievalError, invalid_config
from banktuner_gateway.retrieval.objects import Folder, open_folder
from banktuner_gateway.retrieval.pointer import Current
from banktuner_gateway.retrieval.stores import open_vector_store
from banktuner_gateway.retrieval.stores.base import VectorStore
from banktuner_gateway.retrieval.types import Passage, Vectors

logger = logging.getLogger("banktuner.gateway.retrieval")

REFRESH_SECONDS = 15.0
ROWS_A_PASSAGE = 8
"""Rows asked for each passage wanted: a chunk has several vectors, and they are often next to each other."""


class Retriever:
    """Searches one whole generation at a time. `search` may be called by several threads."""

    def __init__(self, encoder: SentenceEncoder, store: VectorStore, index: Folder, top_k: int) -> None:
        """`top_k`: passages a question."""
        self._encoder = encoder
        self._store = store
        self._index = index
        self._top_k = top_k
        self._current: Current | None = None
        self._problem: str | None = "the index has not been looked at yet"
        self._stopped = threading.Event()
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
        """Look at the index, then follow it in the background. Waits for the network."""
        self._try_refresh()
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end and let go of connections; does not wait."""
        self._stopped.set()
        self._store.close()

    def search(self, question: str) -> list[Passage]:
        """The passages next to the question, best first, each once; none before anything was indexed.

        Blocks: the encoder's CPU time (about 5 ms with MiniLM) and the store's answer. Raises RetrievalError.
        """
        current = self._current
        if current is None:
            return []
        vector = self._encoder.encode([question])[0]
        try:
            return self._passages(current, vector)
        except RetrievalError:
            # After a long pause of this process the generation may be gone.
            self.refresh()
            if self._current is None or self._current.generation == current.generation:
                raise
            return self._passages(self._current, vector)

    def refresh(self) -> None:
        """Search the generation that the index's pointer names, once it answers. Waits. Raises RetrievalError."""
        newest = pointer.read(self._index).current
        if newest is None or (self._current and newest.generation == self._current.generation):
            return
        if newest.encoder != self._encoder.digest:
            message = "the index was made with another encoder; run the indexing Job with this one"
            raise invalid_config(message, "knowledge.embedding.uri")
        self._store.search(newest.generation, self._encoder.encode(["probe"])[0], 1)
        self._current = newest
        fields = {"generation": newest.generation, "documents": newest.documents, "chunks": newest.chunks}
        logger.info("index taken", extra={"fields": fields})

    def _passages(self, current: Current, vector: Vectors) -> list[Passage]:
        best: dict[tuple[str, int], Passage] = {}
        for passage in self._store.search(current.generation, vector, ROWS_A_PASSAGE * self._top_k):
            best.setdefault((passage.chunk.document, passage.chunk.position), passage)
        return list(best.values())[: self._top_k]

    def _follow(self) -> None:
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
    """Bring the encoder into `work` and connect; `start` comes next. Waits for the network. Raises RetrievalError."""
    bring_encoder(open_folder(config.embedding, "knowledge.embedding", environment), work)
    index = open_folder(config.index, "knowledge.documents", environment)
    return Retriever(SentenceEncoder(work), open_vector_store(config, index, environment), index, config.top_k)
