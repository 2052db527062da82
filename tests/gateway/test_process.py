"""`python -m banktuner_gateway` as a process of its own: start, log lines, end."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.gateway.agent_server import AgentServer
from tests.gateway.harness import AUTH, CHAT, TOKEN, Engine, gateway_config
from tests.gateway.process import running_process, start_process
from tests.support.ports import free_port


@pytest.fixture
def process(files: Path, engine: Engine, agent: AgentServer) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    config = gateway_config(engine.port, agentUrl=f"https://127.0.0.1:{agent.server_port}")
    (files / "gateway.json").write_text(json.dumps(config.to_json()))
    with running_process(files) as running:
        yield running


def test_one_json_line_a_request_without_its_content_and_a_quick_end(process, engine, agent):
    running, client = process
    answered = client.post(CHAT, json={"message": "pineapple"}, headers=AUTH).json()
    client.post(CHAT, json={"message": "pineapple" * 1000}, headers=AUTH)
    client.post(CHAT, content=b'{"pineapple": pineapple', headers=AUTH)
    client.post(CHAT, json={"message": "pineapple"}, headers={"Authorization": "Bearer pineapple"})
    client.get("/api/pineapple")
    engine.mode = "no choices"
    client.post(CHAT, json={"message": "pineapple"}, headers=AUTH)
    deadline = time.monotonic() + 60
    while agent.seen[-1:] != ["r1"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert agent.seen[-1] == "r1", "a question to the agent API is held open"
    started = time.monotonic()
    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=40)
    assert time.monotonic() - started < 20, "the held question must not delay the end"
    assert running.returncode in (0, -signal.SIGTERM)
    assert "pineapple" not in output
    assert TOKEN not in output
    lines = [json.loads(line) for line in output.splitlines()]
    requests = [line for line in lines if line.get("message") == "request"]
    assert [line["status"] for line in requests] == [200, 422, 422, 401, 404, 502]
    first = requests[0]
    assert first["request_id"] == answered["request_id"]
    assert (first["caller"], first["adapter"], first["route"]) == ("teller", "card-support", CHAT)
    assert first["served_name"] == "card-support-aaaaaaaaaaaa"
    assert first["duration_ms"] >= first["upstream_ms"] > 0
    assert requests[3]["caller"] is None
    assert requests[5]["error_code"] == "engine_error"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "the ConfigMap must carry gateway.json"),
        ('{"namespace": "bank"}', "engineUrl"),
        (
            '{"namespace": "bank", "name": "a", "engineUrl": "http://x", "agentUrl": "https://x", "maxTokens": 0}',
            "maxT",
        ),
    ],
)
def test_unusable_configuration_ends_with_its_reason(tmp_path, content, complaint):
    if content is not None:
        (tmp_path / "gateway.json").write_text(content)
    running = start_process(tmp_path, free_port())
    output, _ = running.communicate(timeout=300)
    assert running.returncode == 2
    assert complaint in json.loads(output)["message"]
