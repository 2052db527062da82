"""A small TLS server in the place of the operator's agent API, so that the gateway's own client can be watched."""

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from banktuner_api.serving import DesiredState


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key."""
    certificate, key = folder / "tls.crt", folder / "tls.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=agent"
    extension = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *extension], check=True, capture_output=True)
    return certificate, key


class AgentServer(ThreadingHTTPServer):
    """Holds a question until its state differs from what the asker has seen."""

    daemon_threads = True

    def __init__(self, state: DesiredState, token: str) -> None:
        super().__init__(("127.0.0.1", 0), AgentHandler)
        self.token = token
        self.changed = threading.Condition()
        self.state = state
        self.seen: list[str] = []
        self.refused = 0

    def tell(self, state: DesiredState) -> None:
        with self.changed:
            self.state = state
            self.changed.notify_all()


class AgentHandler(BaseHTTPRequestHandler):
    server: AgentServer

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = parse_qs(address.query, keep_blank_values=True)
        right_path = address.path == "/v1/bankingmodels/bank/assistant/desired"
        if not right_path or self.headers["Authorization"] != f"Bearer {self.server.token}":
            self.server.refused += 1
            self.send_error(403)
            return
        seen = query["seen"][0]
        self.server.seen.append(seen)
        with self.server.changed:
            news = self.server.changed.wait_for(
                lambda: self.server.state.revision != seen, timeout=float(query["wait"][0])
            )
            body = json.dumps(self.server.state.to_json()).encode()
            if self.headers["Authorization"] != f"Bearer {self.server.token}":
                self.send_error(403)
                return
        self.send_response(200 if news else 304)
        self.send_header("Content-Length", str(len(body) if news else 0))
        self.end_headers()
        if news:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""
