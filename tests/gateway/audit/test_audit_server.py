"""G11 and G12 through the real gateway: what is served, what is refused, what the verifier says of its records."""

import json
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.gateway.audit.conftest import SmallDisk
from tests.gateway.harness import AUTH, CHAT, gateway_config
from tests.gateway.process import running_process
from tests.gateway.trail import VOLUME, make_trail, records, verify

QUESTION = {"message": "Is my card blocked?"}


def ask(client: httpx.Client, **body) -> httpx.Response:
    return client.post(CHAT, json=QUESTION | body, headers=AUTH)


@pytest.fixture
def pod(files: Path, engine) -> Path:
    make_trail(files)
    (files / "gateway.json").write_text(json.dumps(gateway_config(engine.port, audit=VOLUME).to_json()))
    return files


def test_a_published_head_finds_what_was_cut_off(pod):
    heads, name = pod / "heads.json", {"POD_NAME": "assistant-gateway-7d9f-x2k4"}
    with (pod / "log").open("w") as log, running_process(pod, stdout=log, environment=name) as (running, client):
        for _ in range(3):
            assert ask(client).status_code == 200
        published = client.get("/audit/heads")
        heads.write_bytes(published.content)
        running.terminate()
        running.wait(60)
    [head] = published.json()["heads"]
    assert head["chain"].startswith("assistant-gateway-7d9f-x2k4-")
    assert head["sequence"] == 3, "started, and three decisions"
    assert verify(pod, "--head", heads).returncode == 0
    file = sorted((pod / "audit").glob("*.jsonl"))[-1]
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-2]))
    assert verify(pod).returncode == 0, "the chain alone cannot tell"
    found = verify(pod, "--head", heads)
    assert found.returncode == 1
    assert "record 3: truncated" in found.stdout


def test_killed_in_the_middle_what_was_answered_is_on_record_and_the_next_process_goes_on(pod):
    with (pod / "log").open("w") as log, running_process(pod, stdout=log) as (running, client):
        answered = [ask(client).json()["request_id"] for _ in range(5)]
        running.send_signal(signal.SIGKILL)
        running.wait(60)
    first = sorted((pod / "audit").glob("*.jsonl"))[-1]
    torn = first.read_bytes() + first.read_bytes().splitlines()[-1][:60]
    first.write_bytes(torn)
    with (pod / "log").open("a") as log, running_process(pod, stdout=log) as (running, client):
        answered.append(ask(client).json()["request_id"])
        running.terminate()
        running.wait(60)
    checked = verify(pod)
    assert checked.returncode == 0, checked.stdout
    assert "torn by a crash" in checked.stdout
    assert first.read_bytes() == torn, "nobody repairs a record"
    whole = [json.loads(line) for file in (pod / "audit").glob("*.jsonl") for line in _whole_lines(file)]
    assert set(answered) == {one["data"]["request_id"] for one in whole if one["event"] == "decision"}


def _whole_lines(file: Path) -> list[bytes]:
    return file.read_bytes().split(b"\n")[:-1]


def test_two_gateways_on_one_volume_are_two_chains(pod, start_gateway):
    with (
        httpx.Client(base_url=start_gateway(audit=VOLUME)) as one,
        httpx.Client(base_url=start_gateway(audit=VOLUME)) as other,
    ):
        for _ in range(4):
            assert (ask(one).status_code, ask(other).status_code) == (200, 200)
    checked = verify(pod)
    assert checked.returncode == 0, checked.stdout
    assert len({record["chain"] for record in records(pod)}) == 2


def test_a_record_copied_from_another_chain_is_found(pod, start_gateway):
    with (
        httpx.Client(base_url=start_gateway(audit=VOLUME)) as one,
        httpx.Client(base_url=start_gateway(audit=VOLUME)) as other,
    ):
        ask(one), ask(other)
    first, second = sorted((pod / "audit").glob("*.jsonl"))
    replayed = second.read_bytes().splitlines(keepends=True)[1]
    first.write_bytes(first.read_bytes() + replayed)
    found = verify(pod)
    assert found.returncode == 1
    assert f"FIRST BAD RECORD: {first.resolve()}:" in found.stdout


def test_nothing_is_served_while_the_disk_takes_no_record(files, start_gateway, small_disk: SmallDisk, engine):
    make_trail(files)
    (files / "audit").rmdir()
    (files / "audit").symlink_to(small_disk.path)
    with httpx.Client(base_url=start_gateway(audit=VOLUME), timeout=30) as client:
        assert ask(client).status_code == 200
        small_disk.fill()
        # The page that the file's end lies in has room for some records yet.
        _until(client, 503)
        asked = len(engine.requests)
        refused = [ask(client), ask(client, stream=True), client.delete("/api/v1/conversations", headers=AUTH)]
        assert {one.status_code for one in refused} == {503}
        assert {one.json()["error"]["code"] for one in refused} == {"audit_unavailable"}
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        assert len(engine.requests) == asked
        small_disk.free()
        _until(client, 200)
    assert verify(files).returncode == 0
    assert [one["event"] for one in records(files)].count("outage") == 1


def _until(client: httpx.Client, status: int) -> None:
    for _ in range(100):
        if ask(client).status_code == status:
            return
        time.sleep(0.1)
    raise AssertionError(f"no question was answered with {status}")
