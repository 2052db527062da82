"""The agent API's side of the contract over real TLS: collects what pods tell, answers the long poll."""

import json
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from banktuner_api.agent import Report
from banktuner_api.serving import DesiredState, Observed
from tests.contract.harness import Pod
from tests.support.ports import free_port

TOKEN = "a-projected-token"


class AgentServer:
    """Started and stopped on one port; reports, observed and desired are plain attributes."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.certificate, self._key = folder / "ca.crt", folder / "key.pem"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=agent",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                str(self._key),
                "-out",
                str(self.certificate),
            ],
            check=True,
            capture_output=True,
        )
        self.port = free_port()
        self.reports: list[Report] = []
        self.observed: list[Observed] = []
        self.desired: DesiredState | None = None
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def mount(self, pod: Pod) -> None:
        """What Kubernetes mounts into a pod: the CA and the projected token."""
        (pod.config / "ca.crt").write_bytes(self.certificate.read_bytes())
        (pod.root / "token").write_text(TOKEN)

    def report(self, reason: str) -> Report | None:
        return next((report for report in self.reports if report.reason == reason), None)

    def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self._key)
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _handler(server: AgentServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def answer(self, status: int, body: object = None) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Authorization"] != f"Bearer {TOKEN}":
                return self.answer(401)
            if self.path.endswith("/status"):
                server.reports.append(Report.model_validate_json(body))
            else:
                server.observed.append(Observed.model_validate_json(body))
            return self.answer(200, {})

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            deadline = time.monotonic() + float(query["wait"][0])
            while time.monotonic() < deadline:
                if server.desired is not None and [server.desired.revision] != query.get("seen"):
                    return self.answer(200, server.desired.to_json())
                time.sleep(0.05)
            return self.answer(304)

    return Handler
