"""A log that nobody reads: the gateway goes on, what is dropped is told, and no record of the audit is lost."""

import json
import logging
import os
import subprocess
import sys
import threading
import time

import httpx

from banktuner_gateway.observability import JsonFormatter
from banktuner_gateway.stdout import LineQueue
from tests.gateway.harness import AUTH, CHAT, gateway_config
from tests.gateway.process import running_process
from tests.gateway.trail import VOLUME, make_trail, verify

QUESTION = {"message": "Is my card blocked?"}
PIPE_BYTES = 65536


def fill_log(client: httpx.Client) -> int:
    """Requests that leave more lines than a pipe takes; how many they were."""
    count = PIPE_BYTES // 150
    for _ in range(count):
        assert client.get("/nowhere").status_code == 404
    return count


def read_log(running: subprocess.Popen[str]) -> tuple[list[str], threading.Thread]:
    """Its lines, complete when the thread has ended."""
    output: list[str] = []
    reading = threading.Thread(target=lambda: output.extend(running.stdout))
    reading.start()
    return output, reading


def test_an_unread_log_does_not_stop_the_gateway(files, engine):
    make_trail(files)
    (files / "gateway.json").write_text(json.dumps(gateway_config(engine.port, audit=VOLUME).to_json()))
    with running_process(files) as (running, client):
        count = fill_log(client)
        assert client.get("/healthz").status_code == 200
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 200
        output, reading = read_log(running)
        running.terminate()
        running.wait(60)
        reading.join(60)
    lines = [json.loads(line) for line in output]
    assert sum(line.get("status") == 404 for line in lines) == count, "late, but all of them"
    assert verify(files).returncode == 0


def test_records_that_standard_output_does_not_take_are_not_dropped(files, engine):
    make_trail(files)
    (files / "gateway.json").write_text(json.dumps(gateway_config(engine.port, audit={"sink": "Stdout"}).to_json()))
    with running_process(files) as (running, client):
        first = client.post(CHAT, json=QUESTION, headers=AUTH).json()["request_id"]
        fill_log(client)
        refused = client.post(CHAT, json=QUESTION, headers=AUTH)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "audit_unavailable")
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        output, reading = read_log(running)
        last = _until_served(client)
        running.terminate()
        running.wait(60)
        reading.join(60)
    records = [json.loads(line) for line in output if line.startswith('{"banktuner_audit":')]
    told = [record["data"].get("request_id") for record in records if record["event"] == "decision"]
    assert {first, last} <= set(told)
    assert "outage" in [record["event"] for record in records]
    log = files / "container.log"
    log.write_text("".join(output))
    command = [sys.executable, "-m", "banktuner_gateway.audit", "verify", str(log), "--log", "--head", str(log)]
    checked = subprocess.run([*command, "--key-file", str(files / "secrets" / "audit" / "key")], capture_output=True)
    assert checked.returncode == 0, checked.stdout


def _until_served(client: httpx.Client) -> str:
    for _ in range(300):
        answer = client.post(CHAT, json=QUESTION, headers=AUTH)
        if answer.status_code == 200:
            return str(answer.json()["request_id"])
        time.sleep(0.1)
    raise AssertionError("the log is read again, and nothing is served")


def test_lines_beyond_the_bound_are_dropped_and_counted():
    reading, writing = os.pipe()
    handler = LineQueue(JsonFormatter(), writing, size=5)
    for _ in range(100):
        handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "y" * 2000, None, None))
    received = b""

    def read() -> None:
        nonlocal received
        while piece := os.read(reading, PIPE_BYTES):
            received += piece

    taking = threading.Thread(target=read)
    taking.start()
    while not handler.queue.empty():
        time.sleep(0.01)
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "after", None, None))
    handler.close()
    os.close(writing)
    taking.join(30)
    os.close(reading)
    lines = [json.loads(line) for line in received.splitlines()]
    told = [line for line in lines if line["message"] == "log lines dropped"]
    assert {line["level"] for line in told} == {"warning"}
    assert sum(line["message"].startswith("y") for line in lines) + sum(line["lines"] for line in told) == 100
    assert lines[-1]["message"] == "after"
