import ssl
from collections.abc import AsyncIterator

import pytest
from fastapi.responses import PlainTextResponse, RedirectResponse

from banktuner_ui.answers import BASE, DEFAULT, Answer, Choice, GatewayError, Piece
from banktuner_ui.client import Gateway
from tests.ui.gateway import MODELS, TOKEN, ContractGateway, problem


@pytest.fixture
async def client(gateway_url: str) -> AsyncIterator[Gateway]:
    client = Gateway(gateway_url, ssl.create_default_context())
    yield client
    await client.close()


async def asked(client: Gateway, choice: Choice = DEFAULT, key: str | None = None) -> list[Piece | Answer]:
    return [item async for item in client.ask(TOKEN, "My card is gone", choice, key)]


async def failure(client: Gateway) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await asked(client)
    return caught.value


async def test_pieces_then_the_whole_answer(client: Gateway, gateway: ContractGateway) -> None:
    *pieces, last = await asked(client)
    assert [piece.text for piece in pieces if isinstance(piece, Piece)] == gateway.pieces
    assert isinstance(last, Answer)
    assert (last.response, last.conversation_id, last.adapter) == (
        "".join(gateway.pieces),
        "conversation-1",
        "card-support",
    )
    assert last.intent and last.intent.label == "card_lost"
    assert [source.section for source in last.sources] == ["Lost and stolen cards", ""]


async def test_what_the_gateway_is_asked(client: Gateway, gateway: ContractGateway) -> None:
    await asked(client)
    await asked(client, BASE, "c/1")
    await asked(client, Choice("adapter", "loans"))
    whole = {"message": "My card is gone", "stream": True}
    assert gateway.asked == [whole, {**whole, "adapter": None, "conversation_id": "c/1"}, {**whole, "adapter": "loans"}]


async def test_models(client: Gateway) -> None:
    assert await client.models(TOKEN) == MODELS


async def test_a_wrong_token(client: Gateway) -> None:
    with pytest.raises(GatewayError) as caught:
        await client.models("wrong")
    assert (caught.value.status, caught.value.problem.code) == (401, "unauthorized")


@pytest.mark.parametrize("status", [403, 404, 422, 429, 502, 503, 504])
async def test_refusals_bring_sentence_id_and_time(client: Gateway, gateway: ContractGateway, status: int) -> None:
    gateway.refusal = problem(status, "some_code", "A sentence.", Retry_After="12")
    error = await failure(client)
    assert (error.status, error.retry_after) == (status, 12)
    assert (error.problem.message, error.problem.request_id) == ("A sentence.", "req-77")


async def test_a_proxys_page_is_not_repeated(client: Gateway, gateway: ContractGateway) -> None:
    gateway.refusal = PlainTextResponse(
        "<html>upstream 10.2.3.4 down", 502, {"Retry-After": "Sat, 21 Nov 2026 10:00:00 GMT"}
    )
    error = await failure(client)
    assert error.problem.message == "The assistant cannot answer now (status 502)."
    assert error.retry_after is None


async def test_a_redirect_does_not_take_the_token_along(client: Gateway, gateway: ContractGateway) -> None:
    gateway.refusal = RedirectResponse("http://elsewhere.invalid/")
    assert (await failure(client)).status == 307


async def test_an_error_in_the_stream(client: Gateway, gateway: ContractGateway) -> None:
    gateway.stream_error = {"code": "engine_error", "message": "The model failed.", "request_id": "r-3"}
    error = await failure(client)
    assert (error.problem.code, error.problem.request_id) == ("engine_error", "r-3")


async def test_a_stream_that_breaks_off(client: Gateway, gateway: ContractGateway) -> None:
    gateway.broken_off = True
    assert (await failure(client)).problem.code == "stream_ended"


async def test_an_answer_of_another_form(client: Gateway, gateway: ContractGateway) -> None:
    gateway.answer = {"response": ["no text"]}
    error = await failure(client)
    assert error.problem.code == "unreadable"
    assert "no text" not in str(error) + error.problem.message


async def test_nobody_there() -> None:
    client = Gateway("http://localhost:9", ssl.create_default_context())
    assert (await failure(client)).problem.code == "unreachable"
    await client.close()


async def test_closing_the_answer_ends_the_request(client: Gateway, gateway: ContractGateway) -> None:
    gateway.pieces_gate.clear()
    stream = client.ask(TOKEN, "My card is gone", DEFAULT, None)
    await anext(stream)
    await stream.aclose()
    assert gateway.disconnected.wait(20)


async def test_forgetting(client: Gateway, gateway: ContractGateway) -> None:
    await client.forget(TOKEN, "c-1")
    assert gateway.deleted == ["c-1"]
    gateway.refusal = problem(404, "unknown_conversation", "There is none.")
    await client.forget(TOKEN, "c-2")
    gateway.refusal = problem(503, "store_unavailable", "Not now.")
    with pytest.raises(GatewayError):
        await client.forget(TOKEN, "c-3")
