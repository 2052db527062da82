"""The part of Pinecone's published data API that is used, with its limits, exact search and counts that lag."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import numpy as np

KEY = "pc-test-key"
LARGEST_REQUEST = 2 * 1024 * 1024
MOST_ROWS = 1000
LARGEST_METADATA = 40 * 1024


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
        if not 1 <= len(body["vectors"]) <= MOST_ROWS:
            self.problems.append(f"{len(body['vectors'])} rows in one request")
        rows = self.namespaces.setdefault(body["namespace"], {})
        for row in body["vectors"]:
            if len(json.dumps(row["metadata"])) > LARGEST_METADATA:
                self.problems.append("metadata above 40 kB")
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
        return {"namespaces": summary, "dimension": 8, "indexFullness": 0, "totalVectorCount": sum(counts.values())}

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
        self._answer(*((404, {}) if work is None else (200, work(body))))

    def do_DELETE(self) -> None:
        start, _, name = self.path.rpartition("/")
        known = start == "/namespaces" and self.server.namespaces.pop(unquote(name), None) is not None
        self._answer(200 if known else 404, {})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        if self.headers["Api-Key"] != KEY:
            status, body = 401, {}
        if not self.headers["X-Pinecone-Api-Version"]:
            self.server.problems.append("no API version")
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
