"""FAISS: exact search in memory, on files in the object store that are written once and never changed."""

import hashlib
import json
import threading
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np

from banktuner_gateway.retrieval.errors import broken_index
from banktuner_gateway.retrieval.objects import Folder, ObjectMissingError
from banktuner_gateway.retrieval.stores.base import Rows
from banktuner_gateway.retrieval.types import Chunk, Passage, Vectors

INDEX, CHUNKS, MANIFEST = "index.faiss", "chunks.jsonl", "manifest.json"
LOADED_GENERATIONS = 2
"""Kept in memory: the one that is searched, and the one before or after it while the gateway switches."""


@dataclass(frozen=True)
class _Loaded:
    index: Any
    chunks: list[Chunk]


class FaissStore:
    """See VectorStore. A search of a generation that is not in memory yet loads it."""

    def __init__(self, folder: Folder) -> None:
        """`folder`: of the index; a generation is a folder in it."""
        self._folder = folder
        self._loaded: dict[str, _Loaded] = {}
        self._loading = threading.Lock()

    def write(self, generation: str, rows: Rows) -> None:
        """See VectorStore. The manifest comes last: a generation without one is not whole."""
        index = faiss.IndexFlatIP(rows.vectors.shape[1])
        index.add(np.ascontiguousarray(rows.vectors, dtype=np.float32))
        lines = "".join(json.dumps(chunk.to_json(), ensure_ascii=False) + "\n" for chunk in rows.chunks)
        files = {INDEX: faiss.serialize_index(index).tobytes(), CHUNKS: lines.encode()}
        for name, data in files.items():
            self._folder.put(f"{generation}/{name}", data)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        self._folder.put(f"{generation}/{MANIFEST}", json.dumps({"sha256": digests}).encode())

    def search(self, generation: str, vector: Vectors, count: int) -> list[Passage]:
        """See VectorStore. Takes about 1 ms of CPU for 10,000 rows."""
        loaded = self._loaded.get(generation) or self._load(generation)
        scores, places = loaded.index.search(np.ascontiguousarray(vector[None, :], dtype=np.float32), count)
        found = zip(places[0], scores[0], strict=True)
        return [Passage(loaded.chunks[place], float(score)) for place, score in found if place >= 0]

    def generations(self) -> list[str]:
        """See VectorStore."""
        folders = {entry.path.split("/")[0] for entry in self._folder.list() if "/" in entry.path}
        return sorted(name for name in folders if name.startswith("g") and name.isalnum())

    def drop(self, generation: str) -> None:
        """See VectorStore. The manifest goes first."""
        for name in (MANIFEST, CHUNKS, INDEX):
            self._folder.delete(f"{generation}/{name}")

    def close(self) -> None:
        """See VectorStore."""
        self._loaded = {}

    def _load(self, generation: str) -> _Loaded:
        with self._loading:
            if generation not in self._loaded:
                loaded = self._read(generation)
                kept = sorted([*self._loaded, generation])[-LOADED_GENERATIONS:]
                everything = {**self._loaded, generation: loaded}
                # Readers take the dictionary without the lock: it is replaced, never changed.
                self._loaded = {name: everything[name] for name in {*kept, generation}}
            return self._loaded[generation]

    def _read(self, generation: str) -> _Loaded:
        try:
            digests = json.loads(self._folder.get(f"{generation}/{MANIFEST}").data)["sha256"]
            files = {name: self._folder.get(f"{generation}/{name}").data for name in (INDEX, CHUNKS)}
            if any(hashlib.sha256(data).hexdigest() != digests[name] for name, data in files.items()):
                raise broken_index(f"a file of generation {generation} is not what its manifest says")
            index = faiss.deserialize_index(np.frombuffer(files[INDEX], dtype=np.uint8))
            chunks = [Chunk.from_json(json.loads(line)) for line in files[CHUNKS].decode().split("\n") if line]
        except ObjectMissingError:
            raise broken_index(f"generation {generation} is not whole; run the indexing Job again") from None
        # faiss reports a file that is none with a plain RuntimeError.
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            raise broken_index(f"generation {generation} cannot be read ({type(error).__name__})") from error
        if index.ntotal != len(chunks):
            raise broken_index(f"generation {generation} has {index.ntotal} vectors for {len(chunks)} rows")
        return _Loaded(index, chunks)
