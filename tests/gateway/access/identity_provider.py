"""An identity provider: real keys, signed tokens, and a real HTTP server on loopback that publishes the public ones."""

import base64
import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

ISSUER = "https://login.bank.example"
AUDIENCE = "banking-assistant"
Headers = list[tuple[bytes, bytes]]


def new_key(algorithm: str) -> Any:
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def public_jwk(key: Any, algorithm: str, **members: Any) -> dict[str, Any]:
    return {**json.loads(get_default_algorithms()[algorithm].to_jwk(key.public_key())), **members}


def claims(**changes: Any) -> dict[str, Any]:
    """Of a good token; None takes a claim out."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "teller-7", "iat": now, "exp": now + 300, "groups": ["loans"]}
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def sign(key: Any, algorithm: str, content: dict[str, Any], **header: Any) -> str:
    """The layer below jwt.encode, which refuses to make tokens as bad as some of ours."""
    return jwt.api_jws.encode(json.dumps(content).encode(), key, algorithm, headers=header)


def segment(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def bearer(token: str | bytes) -> Headers:
    return [(b"authorization", b"Bearer " + (token.encode() if isinstance(token, str) else token))]


class IdentityProvider(ThreadingHTTPServer):
    """Publishes `document`; `mode` makes it fail in one of the ways servers fail."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.document: Any = {"keys": []}
        self.mode = "ok"
        self.asked = 0
        self.released = threading.Event()
        self.uri = f"http://127.0.0.1:{self.server_port}/keys"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def publish(self, *keys: dict[str, Any]) -> None:
        self.document = {"keys": list(keys)}

    def close(self) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: IdentityProvider

    def do_GET(self) -> None:
        self.server.asked += 1
        mode = self.server.mode
        if mode == "cut":
            self.close_connection = True
            return
        if mode == "hang":
            self.server.released.wait(20)
            return
        body = json.dumps(self.server.document).encode()
        if mode == "huge":
            body = b" " * 300_000 + body
        if mode == "not json":
            body = b"<html>secret-internal-host</html>"
        status = {"error": 500, "redirect": 302}.get(mode, 200)
        self.send_response(status)
        self.send_header("Location", self.server.uri)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
