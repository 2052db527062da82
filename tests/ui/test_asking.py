import ssl
from collections.abc import AsyncIterator

import pytest

from banktuner_ui.answers import BASE, DEFAULT
from banktuner_ui.asking import WAITING, Side, ask
from banktuner_ui.client import Gateway
from tests.ui.gateway import TOKEN, ContractGateway, problem


class Kept:
    """Where a page remembers its conversation."""

    key: str | None = None

    def __call__(self, key: str | None) -> None:
        self.key = key


@pytest.fixture
async def client(gateway_url: str) -> AsyncIterator[Gateway]:
    client = Gateway(gateway_url, ssl.create_default_context())
    yield client
    await client.close()


async def asked(client: Gateway, *sides: Side) -> list[str]:
    """What the sides show, whenever that changed and at last."""
    return [side.shown for side in sides async for _ in ask(client, TOKEN, "My card is gone", [side], lambda: True)]


async def test_a_conversation_that_the_gateway_has_forgotten_begins_anew(
    client: Gateway, gateway: ContractGateway
) -> None:
    kept = Kept()
    await asked(client, Side(DEFAULT, kept.key, kept))
    assert kept.key == "conversation-1"
    gateway.refusal = problem(404, "unknown_conversation", "There is none. Leave the field out.")
    shown = await asked(client, Side(DEFAULT, kept.key, kept))
    assert kept.key is None
    assert shown[-1].startswith("**No answer.** What was said before is no longer kept.")


async def test_another_trouble_keeps_the_conversation(client: Gateway, gateway: ContractGateway) -> None:
    kept = Kept()
    await asked(client, Side(DEFAULT, kept.key, kept))
    gateway.refusal = problem(409, "conversation_busy", "Ask again after its answer.")
    await asked(client, Side(DEFAULT, kept.key, kept))
    assert kept.key == "conversation-1"


async def test_a_refusal_begins_no_conversation_and_ends_none(client: Gateway, gateway: ContractGateway) -> None:
    kept = Kept()
    gateway.answer = {"refused": True}
    await asked(client, Side(DEFAULT, kept.key, kept))
    assert kept.key is None
    gateway.answer = {}
    await asked(client, Side(DEFAULT, kept.key, kept))
    for answer in ({"refused": True}, {"conversation_id": None}):
        gateway.answer = answer
        await asked(client, Side(DEFAULT, kept.key, kept))
        assert kept.key == "conversation-1"


async def test_both_sides_are_asked_at_once(client: Gateway, gateway: ContractGateway) -> None:
    """The first pieces of both are there while both streams are held."""
    gateway.pieces_gate.clear()
    tuned, base = Side(DEFAULT, None, Kept()), Side(BASE, None, Kept())
    async for _ in ask(client, TOKEN, "My card is gone", [tuned, base], lambda: True):
        if WAITING not in (tuned.shown, base.shown):
            gateway.pieces_gate.set()
    assert "order a new one" in tuned.shown and "Call your bank." in base.shown


async def test_what_came_before_a_stream_broke_stays(client: Gateway, gateway: ContractGateway) -> None:
    gateway.broken_off = True
    shown = await asked(client, Side(DEFAULT, None, Kept()))
    assert shown[-1].startswith("Freeze the card in the **app**, then order a new one")
    assert shown[-1].endswith("**No answer.** The answer broke off before its end\\.")
