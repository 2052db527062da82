"""sync beside TGI: proves adapters by a difference, because TGI answers an unknown adapter from the base model."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from banktuner_api.bankingmodel import Engine
from tests.contract.agent_server import AgentServer
from tests.contract.harness import S3Server, wait_for
from tests.contract.serving_pod import MODEL, PREFIX, Serving


class TgiServer:
    """TGI's generate contract over real HTTP. `applied` shifts log probabilities; unknown adapters change nothing."""

    def __init__(self) -> None:
        self.applied: dict[str, float] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _handler(tgi) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments: object) -> None:
                pass

            def answer(self, body: object) -> None:
                content = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def do_GET(self) -> None:
                self.answer({})

            def do_POST(self) -> None:
                parameters = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["parameters"]
                assert parameters["details"] and parameters["max_new_tokens"] == 1
                shift = tgi.applied.get(parameters.get("adapter_id"), 0.0)
                top = [{"id": n, "logprob": -n - shift / n, "special": False, "text": "a"} for n in (1, 2, 3)]
                details = {
                    "finish_reason": "length",
                    "generated_tokens": 1,
                    "prefill": [],
                    "tokens": top[:1],
                    "top_tokens": [top[: parameters["top_n_tokens"]]],
                }
                self.answer([{"generated_text": "a", "details": details}])

        return Handler


@pytest.fixture
def tgi() -> Iterator[TgiServer]:
    server = TgiServer()
    yield server
    server.server.shutdown()
    server.server.server_close()


def test_only_a_changed_answer_is_a_proof(s3: S3Server, agent: AgentServer, tgi: TgiServer, pods) -> None:
    s3.upload("models/base", MODEL)
    pod = pods("pod", {**s3.secret(PREFIX), "POD_NAME": "assistant-0"})
    agent.mount(pod)
    serving = Serving(pod, s3, agent, tgi.url)
    serving.mount(serving.state())
    serving.stage_model()
    cards, loans, later = serving.publish("cards"), serving.publish("loans"), serving.publish("later")
    serving.mount(serving.state(cards, loans, engine=Engine.TGI))
    serving.stage_model()
    lines = [f'"{adapter.served_name}" 1;' for adapter in (cards, loans)]
    assert (pod.control / "served.map").read_text().splitlines() == lines, "what this pod's proxy lets through"
    tgi.applied = {cards.served_name: 0.5}
    serving.sync()
    wait_for(lambda: serving.told("cards", "Ready"), 40, "the applied adapter")
    told = wait_for(lambda: serving.told("loans", "Failed"), 20, "the adapter that TGI does not know")
    assert told.reason == "AdapterNotApplied"
    wait_for((pod.control / "adapters-ready").exists, 5, "adapters-ready")

    agent.desired = serving.state(cards, later, engine=Engine.TGI)
    told = wait_for(lambda: serving.told("later", "Waiting"), 20, "the adapter that the next pod has")
    assert told.reason == "RolloutPending"
    assert serving.told("cards", "Ready") and (pod.work / "adapters" / loans.served_name).exists()
