"""The part of Weaviate's published API that is used: REST for collections, gRPC (its own protocol files) for rows."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
from weaviate.proto.v1.v6300.v1 import (
    batch_pb2,
    health_weaviate_pb2,
    properties_pb2,
    search_get_pb2,
    weaviate_pb2_grpc,
)

KEY = "wv-test-key"
HNSW = {
    "cleanupIntervalSeconds": 300,
    "dynamicEfFactor": 8,
    "dynamicEfMax": 500,
    "dynamicEfMin": 100,
    "ef": -1,
    "efConstruction": 128,
    "flatSearchCutoff": 40000,
    "maxConnections": 32,
    "skip": False,
    "vectorCacheMaxObjects": 1_000_000_000_000,
}
"""The documented defaults of a vector index."""
HEALTH = health_weaviate_pb2.WeaviateHealthCheckResponse


class WeaviateServer(ThreadingHTTPServer, weaviate_pb2_grpc.WeaviateServicer):
    """`classes`: name -> its definition; `rows`: name -> (vector, properties) by uuid."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.classes: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, dict[str, tuple[Any, dict[str, Any]]]] = {}
        self.refused: set[str] = set()
        """uuids of rows that are answered with an error."""
        self.grpc = grpc.server(ThreadPoolExecutor(2))
        weaviate_pb2_grpc.add_WeaviateServicer_to_server(self, self.grpc)
        check = grpc.unary_unary_rpc_method_handler(
            lambda request, context: HEALTH(status=HEALTH.SERVING),
            request_deserializer=health_weaviate_pb2.WeaviateHealthCheckRequest.FromString,
            response_serializer=HEALTH.SerializeToString,
        )
        health = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})
        self.grpc.add_generic_rpc_handlers((health,))
        self.grpc_port = self.grpc.add_insecure_port("127.0.0.1:0")
        self.grpc.start()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.grpc.stop(None)
        self.shutdown()
        self.server_close()

    def BatchObjects(self, request: Any, context: Any) -> Any:  # noqa: N802
        _authorised(context)
        errors = []
        for place, one in enumerate(request.objects):
            if one.uuid in self.refused or one.collection not in self.classes:
                errors.append(batch_pb2.BatchObjectsReply.BatchError(index=place, error="refused"))
                continue
            fields = one.properties.non_ref_properties.fields
            kinds = {entry["name"]: entry["dataType"][0] for entry in self.classes[one.collection]["properties"]}
            values = {
                name: field.number_value if kinds[name] == "int" else field.string_value
                for name, field in fields.items()
            }
            self.rows[one.collection][one.uuid] = (np.frombuffer(one.vector_bytes, dtype="<f4"), values)
        return batch_pb2.BatchObjectsReply(took=0.001, errors=errors)

    def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
        _authorised(context)
        if request.collection not in self.classes:
            context.abort(grpc.StatusCode.UNKNOWN, "class not found")
        asked = np.frombuffer(request.near_vector.vectors[0].vector_bytes, dtype="<f4")
        scored = [
            (1 - _cosine(asked, vector), name, one) for name, (vector, one) in self.rows[request.collection].items()
        ]
        best = sorted(scored, key=lambda one: one[0])[: request.limit]
        return search_get_pb2.SearchReply(took=0.001, results=[_result(*one) for one in best])


def _authorised(context: Any) -> None:
    if ("authorization", f"Bearer {KEY}") not in [tuple(pair) for pair in context.invocation_metadata()]:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key")


def _cosine(one: Any, other: Any) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def _result(distance: float, name: str, values: dict[str, Any]) -> Any:
    fields = {
        key: properties_pb2.Value(text_value=one) if isinstance(one, str) else properties_pb2.Value(int_value=int(one))
        for key, one in values.items()
    }
    return search_get_pb2.SearchResult(
        metadata=search_get_pb2.MetadataResult(id=name, distance=distance, distance_present=True),
        properties=search_get_pb2.PropertiesResult(non_ref_props=properties_pb2.Properties(fields=fields)),
    )


class _Handler(BaseHTTPRequestHandler):
    server: WeaviateServer

    def log_message(self, format: str, *args: Any) -> None:
        return

    def do_GET(self) -> None:
        answers = {
            "/v1/meta": {"hostname": self.server.url, "modules": {}, "version": "1.34.0"},
            "/v1/schema": {"classes": list(self.server.classes.values())},
        }
        self._answer(200 if self.path in answers else 404, answers.get(self.path, {}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = body.get("class", "")
        if self.path != "/v1/schema" or not name[:1].isupper() or name in self.server.classes:
            return self._answer(422, {"error": [{"message": "invalid"}]})
        # A server fills in its defaults; these are those that the client reads back.
        defaults = {"indexFilterable": True, "indexSearchable": False, "indexRangeFilters": False}
        filled = {**body, "properties": [{**defaults, **one} for one in body["properties"]]}
        for vector in filled["vectorConfig"].values():
            vector["vectorIndexConfig"] = {**HNSW, **vector["vectorIndexConfig"]}
        self.server.classes[name] = filled
        self.server.rows[name] = {}
        self._answer(200, filled)

    def do_DELETE(self) -> None:
        name = self.path.removeprefix("/v1/schema/")
        self.server.classes.pop(name, None)
        self.server.rows.pop(name, None)
        self._answer(200, {})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        if self.headers["Authorization"] != f"Bearer {KEY}":
            status, body = 401, {}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
