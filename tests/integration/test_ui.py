"""spec.ui against a real API server, and the page's client against a real gateway."""

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from banktuner_api import names
from banktuner_operator.cluster.client import ApiError
from banktuner_ui.answers import BASE, DEFAULT, Answer, Choice, GatewayError, Piece
from banktuner_ui.client import Gateway
from tests.gateway.harness import (
    TOKEN,
    Engine,
    desired,
    gateway_config,
    serve_gateway,
    settings,
    write_desired,
    write_tokens,
)
from tests.integration.kubelet import Cluster, condition_of, eventually, model_spec
from tests.integration.test_bankingmodel import KIND, ready_pods

WANTED = {"ui": {"enabled": True}}


async def page(cluster: Cluster) -> set[str]:
    """Kinds of the page's objects that are there."""
    found = [child for kind in ("Deployment", "Service", "NetworkPolicy") for child in await cluster.list(kind)]
    return {child["kind"] for child in found if child["metadata"]["labels"][names.LABEL_COMPONENT] == "ui"}


async def test_a_page_comes_and_goes(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec(**WANTED))
    await cluster.reconcile(KIND, "assistant")
    await ready_pods(cluster)
    await cluster.until(KIND, "assistant", "Degraded", "True")
    await cluster.make_ready(await cluster.pod("ui"))
    served = await cluster.until(KIND, "assistant", "Degraded", "False")
    assert condition_of(served, "Ready")["status"] == "True"
    assert served["status"]["uiUrl"] == f"http://assistant-ui.{cluster.namespace}.svc"
    assert await page(cluster) == {"Deployment", "Service", "NetworkPolicy"}
    versions = [one["metadata"]["generation"] for one in await cluster.list("Deployment")]
    await cluster.reconcile(KIND, "assistant")
    assert [one["metadata"]["generation"] for one in await cluster.list("Deployment")] == versions

    await cluster.patch(KIND, "assistant", {"spec": {"ui": {"enabled": False}}})

    async def gone() -> bool:
        await cluster.reconcile(KIND, "assistant")
        return not await page(cluster)

    await eventually(gone, "the page's end")
    left = await cluster.get(KIND, "assistant")
    assert "uiUrl" not in left["status"]
    assert {one["metadata"]["labels"][names.LABEL_COMPONENT] for one in await cluster.list("Deployment")} == {
        "engine",
        "gateway",
    }


async def test_a_page_is_asked_for_in_so_many_words(cluster: Cluster) -> None:
    await cluster.create(KIND, "assistant", model_spec())
    assert (await cluster.get(KIND, "assistant"))["spec"]["ui"] == {"enabled": False}
    await cluster.reconcile(KIND, "assistant")
    assert await page(cluster) == set()
    with pytest.raises(ApiError, match=r'unknown field "spec\.ui\.image"'):
        await cluster.create(KIND, "other", model_spec(ui={"enabled": True, "image": "example/ui:1"}))


async def test_somebody_elses_service_is_left_alone(cluster: Cluster) -> None:
    meta = {"name": "assistant-ui", "namespace": cluster.namespace}
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}]}}
    await cluster.client.create(theirs)
    await cluster.create(KIND, "assistant", model_spec(**WANTED))
    refused = await cluster.until(KIND, "assistant", "Accepted", "False", "NameConflict")
    assert "Service/assistant-ui" in condition_of(refused, "Accepted")["message"]
    assert await cluster.list("Deployment") == []
    await cluster.patch(KIND, "assistant", {"spec": {"ui": {"enabled": False}}})
    await cluster.until(KIND, "assistant", "Accepted", "True")
    assert "ownerReferences" not in (await cluster.get("Service", "assistant-ui"))["metadata"]


@dataclass(frozen=True)
class Bank:
    """A gateway with the page's client before it and an engine behind it."""

    engine: Engine
    client: Gateway


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncIterator[Bank]:
    write_desired(tmp_path, desired())
    write_tokens(tmp_path / "tokens", teller=TOKEN)
    async with Engine().serve() as engine, serve_gateway(settings(tmp_path, gateway_config(engine.port))) as url:
        client = Gateway(url, ssl.create_default_context())
        yield Bank(engine, client)
        await client.close()


async def answer(bank: Bank, question: str, choice: Choice = DEFAULT, key: str | None = None) -> Answer:
    """The whole answer, once its pieces are what it says."""
    *pieces, last = [item async for item in bank.client.ask(TOKEN, question, choice, key)]
    assert isinstance(last, Answer)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Piece)) == last.response
    return last


async def test_the_client_and_the_gateway_understand_each_other(bank: Bank) -> None:
    assert await bank.client.models(TOKEN) == ["assistant", "assistant-base", "card-support"]
    tuned = await answer(bank, "How do I freeze my card?")
    base = await answer(bank, "How do I freeze my card?", BASE)
    named = await answer(bank, "How do I freeze my card?", Choice("adapter", "card-support"))
    assert [one.adapter for one in (tuned, base, named)] == ["card-support", None, "card-support"]
    assert "How do I freeze my card?" in tuned.response and tuned.request_id and not tuned.refused
    again = await answer(bank, "And order a new one?", DEFAULT, tuned.conversation_id)
    assert again.conversation_id == tuned.conversation_id != base.conversation_id
    said = [message["content"] for message in bank.engine.requests[-1][1]["messages"]]
    assert "How do I freeze my card?" in said and said[-1] == "And order a new one?"


async def test_a_conversation_that_is_deleted_is_gone(bank: Bank) -> None:
    first = await answer(bank, "What does a transfer cost?")
    assert first.conversation_id
    await bank.client.forget(TOKEN, first.conversation_id)
    await bank.client.forget(TOKEN, first.conversation_id)
    with pytest.raises(GatewayError) as caught:
        await answer(bank, "And abroad?", DEFAULT, first.conversation_id)
    assert (caught.value.status, caught.value.problem.code) == (404, "unknown_conversation")


async def test_errors_come_as_sentences_with_their_request(bank: Bank) -> None:
    with pytest.raises(GatewayError) as unknown:
        await bank.client.models("wrong")
    assert (unknown.value.status, unknown.value.problem.code) == (401, "unauthorized")
    for mode, code in (("500", "engine_error"), ("stream cut", "engine_error")):
        bank.engine.mode = mode
        with pytest.raises(GatewayError) as failed:
            await answer(bank, "What does a transfer cost?")
        assert failed.value.problem.code == code
        assert failed.value.problem.request_id and failed.value.problem.message.endswith(".")


async def is_set(event: threading.Event) -> bool:
    return event.is_set()


async def test_leaving_ends_the_engines_work(bank: Bank) -> None:
    bank.engine.mode = "stream hang"
    asking = asyncio.create_task(answer(bank, "What does a transfer cost?"))
    await eventually(lambda: is_set(bank.engine.asked), "a question at the engine")
    asking.cancel()
    await eventually(lambda: is_set(bank.engine.abandoned), "the end of the engine's work")
