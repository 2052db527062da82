"""Probes and metrics."""

import httpx

from banktuner_gateway.engine import client as engine_client
from tests.gateway.harness import AUTH, CHAT


def test_ready_when_tokens_desired_state_and_engine_are_there(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": [], "warnings": []})


def test_not_ready_says_every_reason_but_stays_alive(files, start_gateway, engine):
    engine.healthy = False
    (files / "desired.json").unlink()
    (files / "tokens").rename(files / "elsewhere")
    with httpx.Client(base_url=start_gateway()) as client:
        answer = client.get("/readyz")
        assert client.get("/healthz").status_code == 200
    assert answer.status_code == 503
    assert [reason.partition(":")[0] for reason in answer.json()["reasons"]] == ["tokens", "desired state", "engine"]


def test_readiness_follows_the_engine_and_cannot_flood_it(start_gateway, engine, monkeypatch):
    monkeypatch.setattr(engine_client, "HEALTH_KEPT_SECONDS", 3600)
    with httpx.Client(base_url=start_gateway()) as client:
        assert client.get("/readyz").status_code == 200
        engine.healthy = False
        assert client.get("/readyz").status_code == 200, "an answer is kept for a while"
        monkeypatch.setattr(engine_client, "HEALTH_KEPT_SECONDS", 0)
        assert client.get("/readyz").json()["reasons"] == ["engine: health status 503"]


def test_metrics_count_by_route_status_and_adapter(start_gateway, engine):
    with httpx.Client(base_url=start_gateway()) as client:
        client.post(CHAT, json={"message": "Is my card blocked?"}, headers=AUTH)
        client.post(CHAT, json={"message": "Is my card blocked?", "adapter": None}, headers=AUTH)
        client.post(CHAT, json={"message": "Is my card blocked?", "adapter": "made-up-by-a-caller"}, headers=AUTH)
        client.get("/made/up/by/a/caller")
        text = client.get("/metrics").text
    count = "banktuner_gateway_requests_total"
    assert f'{count}{{adapter="card-support",route="{CHAT}",status="200"}} 1.0' in text
    assert f'{count}{{adapter="",route="{CHAT}",status="200"}} 1.0' in text
    assert f'{count}{{adapter="",route="{CHAT}",status="404"}} 1.0' in text
    assert f'{count}{{adapter="",route="unmatched",status="404"}} 1.0' in text
    assert 'banktuner_gateway_upstream_duration_seconds_count{adapter="card-support"} 1.0' in text
    assert "banktuner_gateway_overhead_seconds_count 2.0" in text
    assert "made" not in text
