"""The page in a real browser. Pictures are left in build/ui."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.ui.browser import NARROW, PATIENCE_SECONDS, Browser, chromium
from tests.ui.conftest import Served
from tests.ui.gateway import TOKEN, ContractGateway, problem

REQUEST = "4449239603e246dd"
NASTY = """<script>window.ran = 1</script><img src=x onerror="window.ran = 2"><b id=bold>bold</b>
[link](javascript:window.ran=3) ![picture](https://elsewhere.invalid/p.png?q=secret) <https://elsewhere.invalid/auto>

`<img src=x onerror="window.ran = 4">`

```html
<svg onload="window.ran = 5"></svg>
"""

KEPT_STREAM_ENDS = """
const ask = window.fetch;
const keep = (chunk, passed) => {
  const text = new TextDecoder().decode(chunk).replace(/data: {"msg":"close_stream".*\\n\\n/, "");
  if (text) passed.enqueue(new TextEncoder().encode(text));
};
window.fetch = async (address, options) => {
  const answer = await ask(address, options);
  if (!answer.url.includes("/queue/data")) return answer;
  const kept = new TransformStream({transform: keep, flush: () => new Promise(() => {})});
  return new Response(answer.body.pipeThrough(kept));
};
"""
"""A page that never takes a stream's end: the moment before it does, for as long as a test needs."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def contract(page: Served) -> Iterator[ContractGateway]:
    """The gateway, as it was made before and after each test."""
    page.gateway.__dict__.update({k: v for k, v in ContractGateway().__dict__.items() if k != "app"})
    yield page.gateway
    page.gateway.pieces_gate.set()


@pytest.fixture
def chat(browser: Browser, page: Served, contract: ContractGateway) -> Browser:
    browser.sign_in(page.url, TOKEN)
    browser.complaints()
    return browser


def test_signing_in(browser: Browser, page: Served, contract: ContractGateway) -> None:
    browser.open(page.url)
    assert browser.driver.current_url == f"{page.url}/login"
    browser.type("token", "wrong-token")
    browser.click("button")
    browser.until(lambda: "does not know this token" in browser.text("body"))
    browser.picture("login")
    browser.type("token", TOKEN)
    browser.click("button")
    browser.until(lambda: browser.shown("#question textarea"))
    assert browser.driver.current_url == f"{page.url}/"
    kept = browser.driver.execute_script("return document.cookie + JSON.stringify([localStorage, sessionStorage])")
    assert TOKEN not in kept + browser.driver.page_source + str(browser.driver.get_cookies())
    assert browser.hosts() == {urlsplit(page.url).netloc}


def test_an_answer_grows_and_tells_its_sources(chat: Browser, contract: ContractGateway, page: Served) -> None:
    contract.pieces_gate.clear()
    chat.ask("My card is gone")
    chat.until(lambda: "Freeze the card" in chat.text("tuned"))
    assert "order a new one" not in chat.text("tuned")
    assert chat.shown("#stop") and not chat.shown("#ask")
    chat.picture("streaming")
    contract.pieces_gate.set()
    chat.until(lambda: REQUEST in chat.text("tuned"))
    said = chat.text("tuned")
    assert "Freeze the card in the app, then order a new one [1]." in said
    assert "[1] Cards: Lost and stolen cards (cards.md, score 0.82)" in said
    assert "Adapter card-support · card_lost 97%" in said
    chat.until(lambda: chat.shown("#ask"))
    chat.picture("answer")
    assert chat.complaints() == []
    assert chat.hosts() == {urlsplit(page.url).netloc}


def test_base_beside_tuned_each_with_its_conversation(chat: Browser, contract: ContractGateway) -> None:
    chat.click("#compare input")
    chat.until(lambda: chat.shown("#base"))
    contract.pieces_gate.clear()
    chat.ask("My card is gone")
    chat.until(lambda: "Freeze the card" in chat.text("tuned") and "Call" in chat.text("base"))
    assert REQUEST not in chat.text("tuned") + chat.text("base")
    contract.pieces_gate.set()
    chat.until(lambda: REQUEST in chat.text("tuned") and REQUEST in chat.text("base") and chat.shown("#ask"))
    chat.picture("side-by-side")
    chat.picture("side-by-side-narrow", NARROW)
    chat.ask("And then?")
    chat.until(lambda: len(contract.asked) == 4)
    asked = sorted(contract.asked[2:], key=lambda body: "adapter" in body)
    second = {"message": "And then?", "stream": True}
    assert asked == [
        {**second, "conversation_id": "conversation-1"},
        {**second, "conversation_id": "conversation-base", "adapter": None},
    ]
    chat.until(lambda: chat.shown("#ask"))
    chat.click("#new")
    chat.until(lambda: "My card" not in chat.text("tuned") + chat.text("base"))
    assert sorted(contract.deleted) == ["conversation-1", "conversation-base"]


def test_another_adapter(chat: Browser, contract: ContractGateway) -> None:
    chat.click("#who input")
    chat.until(lambda: chat.shown("[role=option][data-value='adapter:loans'], [role=option][aria-label='loans']"))
    chat.click("[role=option][data-value='adapter:loans'], [role=option][aria-label='loans']")
    chat.ask("What does a loan cost?")
    chat.until(lambda: "Adapter loans" in chat.text("tuned"))
    assert contract.asked == [{"message": "What does a loan cost?", "stream": True, "adapter": "loans"}]


def test_stop_ends_the_gateways_work(chat: Browser, contract: ContractGateway) -> None:
    contract.pieces_gate.clear()
    chat.ask("My card is gone")
    chat.until(lambda: "Freeze the card" in chat.text("tuned"))
    chat.click("#stop")
    chat.until(lambda: "Stopped." in chat.text("tuned") and chat.shown("#ask"))
    assert contract.disconnected.wait(PATIENCE_SECONDS)
    contract.pieces_gate.set()
    chat.ask("And now?")
    chat.until(lambda: REQUEST in chat.text("tuned"))
    assert "Stopped." in chat.text("tuned")


def test_nothing_waits_for_a_stream_that_has_ended(chat: Browser, contract: ContractGateway, page: Served) -> None:
    chat.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEPT_STREAM_ENDS})
    chat.open(page.url)
    chat.click("#who input")
    chat.until(lambda: "loans" in chat.text("who"))
    chat.click("#compare input")
    chat.until(lambda: chat.shown("#base"))
    contract.pieces_gate.clear()
    chat.ask("My card is gone")
    chat.until(lambda: "Freeze the card" in chat.text("tuned") and "Call" in chat.text("base"))
    chat.click("#stop")
    chat.until(lambda: "Stopped." in chat.text("tuned") and "Stopped." in chat.text("base") and chat.shown("#ask"))
    chat.click("#new")
    chat.until(lambda: "My card" not in chat.text("tuned") + chat.text("base"))
    chat.click("#compare input")
    chat.until(lambda: not chat.shown("#base"))


def test_leaving_the_page_ends_the_gateways_work(chat: Browser, contract: ContractGateway) -> None:
    contract.pieces_gate.clear()
    chat.ask("My card is gone")
    chat.until(lambda: "Freeze the card" in chat.text("tuned"))
    chat.open("about:blank")
    assert contract.disconnected.wait(PATIENCE_SECONDS)


def test_loading_the_page_anew_in_the_middle_of_an_answer(
    chat: Browser, contract: ContractGateway, page: Served
) -> None:
    for _ in range(3):
        contract.pieces_gate.clear()
        chat.ask("My card is gone")
        chat.until(lambda: "Freeze the card" in chat.text("tuned"))
        chat.open(page.url)
        chat.until(lambda: chat.shown("#ask") and "My card" not in chat.text("tuned"))
        contract.pieces_gate.set()
    chat.ask("My card is gone")
    chat.until(lambda: REQUEST in chat.text("tuned"))
    assert all("conversation_id" not in body for body in contract.asked)


def test_html_in_an_answer_or_a_question_does_not_run(chat: Browser, contract: ContractGateway, page: Served) -> None:
    contract.pieces = [NASTY[:60], NASTY[60:]]
    contract.answer = {
        "sources": [{"number": 1, "document": NASTY, "title": NASTY, "section": NASTY}],
        "adapter": NASTY,
    }
    chat.ask(NASTY.replace("\n", " "))
    chat.until(lambda: REQUEST in chat.text("tuned"))
    assert "<b id=bold>bold</b>" in chat.text("tuned")
    assert chat.driver.execute_script("return window.ran") is None
    assert not chat.driver.execute_script(
        "return document.querySelectorAll('#bold, #tuned .message :is(script, img, svg[onload], a)').length"
    )
    assert chat.hosts() == {urlsplit(page.url).netloc}
    assert chat.complaints() == []


def test_refused_answers_and_errors_are_plain(chat: Browser, contract: ContractGateway) -> None:
    contract.pieces = ["I'm specialized in banking services only."]
    contract.answer = {"refused": True, "sources": [], "intent": {"label": "out_of_scope", "confidence": 0.99}}
    chat.ask("Tell me a joke")
    chat.until(lambda: "Refused. This question was not answered." in chat.text("tuned"))
    contract.refusal = problem(429, "rate_limited", "You have asked too often.", Retry_After="17")
    chat.until(lambda: chat.shown("#ask"))
    chat.ask("And a loan?")
    said = "No answer. You have asked too often. Try again in 17 seconds. Request req-77."
    chat.until(lambda: said in chat.text("tuned"))
    chat.until(lambda: chat.shown("#ask"))
    chat.picture("refused")
    contract.refusal = None
    contract.answer, contract.stream_error = (
        {},
        {"code": "engine_error", "message": "The model failed.", "request_id": "req-8"},
    )
    chat.ask("Once more?")
    chat.until(lambda: "No answer. The model failed. Request req-8." in chat.text("tuned"))
    chat.until(lambda: chat.shown("#ask"))
    chat.picture("error")


def test_a_conversation_goes_on_after_an_answer_that_names_none(chat: Browser, contract: ContractGateway) -> None:
    for number, answer in enumerate(({}, {"conversation_id": None}, {"conversation_id": None}), start=1):
        contract.answer = answer
        chat.ask("My card is gone")
        chat.until(lambda asked=number: chat.text("tuned").count(REQUEST) == asked and chat.shown("#ask"))
    assert [body.get("conversation_id") for body in contract.asked] == [None, "conversation-1", "conversation-1"]
    chat.click("#new")
    chat.until(lambda: contract.deleted == ["conversation-1"])


def test_a_token_that_is_withdrawn(chat: Browser, contract: ContractGateway) -> None:
    contract.tokens = set()
    chat.ask("My card is gone")
    chat.until(lambda: "You are signed out. Sign in again." in chat.text("tuned"))


def test_signing_out(chat: Browser, page: Served) -> None:
    chat.click("#sign-out")
    chat.until(lambda: chat.driver.current_url == f"{page.url}/login")
    chat.open(page.url)
    assert chat.driver.current_url == f"{page.url}/login"
    chat.type("token", TOKEN)
    chat.click("button")
    chat.ask("My card is gone")
    chat.until(lambda: REQUEST in chat.text("tuned"))
