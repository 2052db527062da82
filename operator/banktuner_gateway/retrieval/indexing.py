"""The indexing Job's work: documents in, a new generation written beside the one that is searched, then the switch."""

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath

from banktuner_gateway.retrieval import pointer
from banktuner_gateway.retrieval.chunks import chunks_of
from banktuner_gateway.retrieval.embedding import METHOD, Embeddings
from banktuner_gateway.retrieval.encoder import SentenceEncoder
from banktuner_gateway.retrieval.errors import no_documents
from banktuner_gateway.retrieval.objects import Entry, Folder, ObjectMissingError
from banktuner_gateway.retrieval.pointer import Current, Skipped
from banktuner_gateway.retrieval.readers import LARGEST_BYTES, SUFFIXES, UnreadableError, read_document
from banktuner_gateway.retrieval.stores.base import VectorStore
from banktuner_gateway.retrieval.types import Chunk, Document

logger = logging.getLogger("banktuner.retrieval")

MOST_SKIPPED_TOLD = 200
"""Documents that the pointer names; the Job's log names all."""


@dataclass(frozen=True)
class Indexer:
    """What a run works with. `store_name` tells stores apart: type, address and collection."""

    documents: Folder
    index: Folder
    store: VectorStore
    store_name: str
    encoder: SentenceEncoder

    def run(self) -> Current:
        """Bring the index up to date and return what is searched now. Takes CPU time. Raises RetrievalError.

        A document that cannot be read is named and left out. Where nothing changed, nothing is written.
        """
        before = pointer.read(self.index)
        documents, skipped = self._read_documents()
        chunks = [chunk for document in documents for chunk in chunks_of(document, self.encoder)]
        content = _digest(self.store_name, self.encoder.digest, chunks)
        there = before.current
        if there and there.content == content and there.generation in self.store.generations():
            logger.info("nothing has changed: generation %s stays", there.generation)
            return there
        rows, embedded = Embeddings(self.index, self.encoder).rows(chunks, _tell_progress)
        logger.info("%d of %d chunks embedded anew, %d vectors", embedded, len(chunks), len(rows.chunks))
        new = Current(
            generation=_new_generation(),
            previous=there.generation if there else None,
            created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            encoder=self.encoder.digest,
            content=content,
            store=self.store_name,
            dimension=self.encoder.dimension,
            documents=len(documents),
            chunks=len(chunks),
            skipped=skipped[:MOST_SKIPPED_TOLD],
        )
        self.store.write(new.generation, rows)
        pointer.switch(self.index, new, before)
        logger.info("generation %s is searched from now on", new.generation)
        self._drop_old(new)
        return new

    def _read_documents(self) -> tuple[list[Document], list[Skipped]]:
        """Raises RetrievalError where none can be read: an index that serves is not replaced by an empty one."""
        found, skipped = [], []
        for entry in filter(_is_document, self.documents.list()):
            try:
                found.append(self._read(entry))
            except UnreadableError as reason:
                logger.warning("skipped %s: %s", entry.path, reason)
                skipped.append(Skipped(path=entry.path, reason=str(reason)))
        logger.info("%d documents read, %d skipped", len(found), len(skipped))
        if not found:
            raise no_documents(f"no document could be read ({len(skipped)} skipped); the Job's log names them")
        return found, skipped

    def _read(self, entry: Entry) -> Document:
        if entry.size > LARGEST_BYTES:
            raise UnreadableError(f"larger than {LARGEST_BYTES} bytes")
        try:
            return read_document(entry.path, self.documents.get(entry.path).data)
        except ObjectMissingError:
            raise UnreadableError("was removed meanwhile") from None

    def _drop_old(self, new: Current) -> None:
        """What is older than both: gateways that have not switched yet still search the previous generation."""
        kept = {new.generation, new.previous or new.generation}
        for generation in self.store.generations():
            if generation < min(kept):
                self.store.drop(generation)
                logger.info("generation %s dropped", generation)


def _is_document(entry: Entry) -> bool:
    path = PurePosixPath(entry.path)
    return path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)


def _digest(store: str, encoder: str, chunks: Iterable[Chunk]) -> str:
    whole = hashlib.sha256(f"{store}\n{encoder}\n{METHOD}\n".encode())
    for chunk in chunks:
        whole.update(f"{chunk.document}\0{chunk.position}\0{chunk.sha256}\n".encode())
    return f"sha256:{whole.hexdigest()}"


def _new_generation() -> str:
    """A name that sorts by time; the end keeps two Jobs of one moment apart."""
    return f"g{datetime.now(UTC):%Y%m%dt%H%M%S%f}{secrets.token_hex(3)}"


def _tell_progress(done: int, total: int) -> None:
    logger.info("embedded %d of %d new chunks", done, total)
