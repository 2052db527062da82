"""The part of Pinecone's published data API that is used, with its limits, exact search and counts that lag."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np

KEY = "pc-test-key"
LARGEST_REQUEST = 2 * 1024 * 1024
MOST_ROWS = 1000
LARGEST_METADATA = 40 * 1024
LONGEST_ID = 512
MOST_MATCHES = 1000
"""With metadata."""
DIMENSION = 8
FIELDS = {
    "/vectors/upsert": {"vectors", "namespace"},
    "/query": {
        *("namespace", "topK", "filter", "includeValues", "includeMetadata", "vector", "sparseVector", "id", "queries"),
        *("scanFactor", "maxCandidates"),
    },
    "/describe_index_stats": {"filter"},
}
"""Of each request, as the API's description has them."""
ROW_FIELDS = {"id", "values", "sparseValues", "metadata"}


def wrong(path: str, body: dict[str, Any]) -> Iterator[str]:
    """What of a request the API's description does not allow."""
    if unknown := body.keys() - FIELDS[path]:
        yield f"{path} has no {sorted(unknown)}"
    if not isinstance(body.get("namespace", ""), str):
        yield "namespace is no text"
    if path == "/query":
        if not (isinstance(body.get("topK"), int) and 1 <= body["topK"] <= MOST_MATCHES):
            yield "topK is not 1 to 1000"
        yield from wrong_vector(body.get("vector"))
    if path == "/vectors/upsert":
        rows = body.get("vectors")
        if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
            yield "vectors are not 1 to 1000 rows"
            return
        for row in rows:
            yield from wrong_row(row)


def wrong_row(row: dict[str, Any]) -> Iterator[str]:
    if unknown := row.keys() - ROW_FIELDS:
        yield f"a row has no {sorted(unknown)}"
    if not isinstance(row.get("id"), str) or not 1 <= len(row["id"]) <= LONGEST_ID or not row["id"].isascii():
        yield "an id is not 1 to 512 ASCII characters"
    yield from wrong_vector(row.get("values"))
    metadata = row.get("metadata", {})
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > LARGEST_METADATA:
        yield "metadata above 40 kB"
    for value in metadata.values():
        texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
        if not (isinstance(value, str | int | float | bool) or texts):
            yield "metadata is neither text, number, truth value nor a list of texts"


def wrong_vector(vector: Any) -> Iterator[str]:
    if not isinstance(vector, list) or len(vector) != DIMENSION:
        yield "a vector has not the index's dimension"
    elif not all(isinstance(number, float | int) and np.isfinite(number) for number in vector):
        yield "a vector is not of numbers"
    elif not any(vector):
        yield "a vector is all zeros, which a cosine index refuses"


class PineconeServer(ThreadingHTTPServer):
    """One index. `problems`: requests that break the published rules."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.namespaces: dict[str, dict[str, dict[str, Any]]] = {}
        self.problems: list[str] = []
        self.behind: set[str] = set()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def upsert(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = self.namespaces.setdefault(body["namespace"], {})
        for row in body["vectors"]:
            # Numbers of metadata come back as floats.
            kept = {key: float(one) if isinstance(one, int) else one for key, one in row["metadata"].items()}
            rows[row["id"]] = {"values": row["values"], "metadata": kept}
        self.behind.add(body["namespace"])
        return {"upsertedCount": len(body["vectors"])}

    def query(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = np.array(body["vector"])
        rows = self.namespaces.get(body["namespace"], {})
        scored = [(self._cosine(asked, np.array(row["values"])), name, row) for name, row in rows.items()]
        best = sorted(scored, key=lambda one: -one[0])[: body["topK"]]
        matches = [{"id": name, "score": score, "metadata": row["metadata"]} for score, name, row in best]
        return {"matches": matches if body.get("includeMetadata") else [], "namespace": body["namespace"]}

    def stats(self, body: dict[str, Any]) -> dict[str, Any]:
        """The first answer after a write does not know of it all."""
        counts = {name: max(0, len(rows) - (name in self.behind)) for name, rows in self.namespaces.items()}
        self.behind.clear()
        summary = {name: {"vectorCount": count} for name, count in counts.items()}
        return {
            "namespaces": summary,
            "dimension": DIMENSION,
            "indexFullness": 0,
            "totalVectorCount": sum(counts.values()),
        }

    @staticmethod
    def _cosine(one: Any, other: Any) -> float:
        return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


class _Handler(BaseHTTPRequestHandler):
    server: PineconeServer

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        if length > LARGEST_REQUEST:
            self.server.problems.append(f"a request of {length} bytes")
        body = json.loads(self.rfile.read(length))
        paths = {
            "/vectors/upsert": self.server.upsert,
            "/query": self.server.query,
            "/describe_index_stats": self.server.stats,
        }
        work = paths.get(self.path)
        if work is None:
            return self._answer(404, {})
        problems = list(wrong(self.path, body))
        if self.headers["Content-Type"] != "application/json":
            problems.append(f"the content is {self.headers['Content-Type']}")
        self.server.problems += problems
        self._answer(*((400, {"code": 3, "message": problems[0], "details": []}) if problems else (200, work(body))))

    def do_DELETE(self) -> None:
        start, _, name = self.path.rpartition("/")
        known = start == "/namespaces" and self.server.namespaces.pop(unquote(name), None) is not None
        self._answer(200 if known else 404, {})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        if self.headers["Api-Key"] != KEY:
            status, body = 401, {}
        if not re.fullmatch(r"20[0-9]{2}-[0-9]{2}", self.headers["X-Pinecone-Api-Version"] or ""):
            self.server.problems.append("no API version")
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
