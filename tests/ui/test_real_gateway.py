"""The page in a real browser before the real gateway: what one sends and the other reads."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from banktuner_ui.app import create_app
from banktuner_ui.settings import parse_settings
from tests.gateway.trail import decisions
from tests.ui.browser import Browser, chromium
from tests.ui.gateway import serving

ROOT = Path(__file__).parents[2]
TOKEN = "correct-horse-battery-staple"
REFUSAL = "I'm specialized in banking services only."


@pytest.fixture
def gateway_url(tmp_path: Path) -> Iterator[str]:
    """Of a process in the environment that has the gateway's libraries."""
    command = [ROOT / ".venv" / "bin" / "python", "-m", "tests.gateway.standalone", tmp_path]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}"}
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=log) as running,
    ):
        assert running.stdout is not None
        address = running.stdout.readline().strip()
        assert address, (tmp_path / "log").read_text()
        yield address
        running.kill()


@pytest.fixture
def page_url(gateway_url: str) -> Iterator[str]:
    with serving(create_app(parse_settings(["--gateway-url", gateway_url], {}))) as url:
        yield url


def test_signing_in_asking_going_on_and_being_refused(page_url: str, gateway_url: str, tmp_path: Path) -> None:
    with chromium() as browser:
        browser.open(page_url)
        browser.type("token", "wrong-token")
        browser.click("button")
        browser.until(lambda: "does not know this token" in browser.text("body"))
        browser.complaints()
        browser.sign_in(page_url, TOKEN)
        told(browser, "How do I freeze my card?", "Adapter card-support · card 99%")
        assert "Your card is frozen." in browser.text("tuned") and REFUSAL not in browser.text("tuned")
        told(browser, "And how long does it take?", "Adapter card-support · card")
        assert REFUSAL not in browser.text("tuned"), "alone it would be no bank's business"
        told(browser, "What is the capital of France?", REFUSAL)
        ended = [one for one in decisions(tmp_path) if one["event"] == "stream_ended"]
        assert [one["outcome"] for one in ended] == ["answered", "answered", "refused"]
        [begun] = {one["conversation"] for one in ended}
        browser.click("#new")
        browser.until(lambda: "freeze" not in browser.text("tuned") and is_gone(gateway_url, begun))
        assert browser.complaints() == []


def is_gone(gateway_url: str, conversation: str) -> bool:
    """Whether the page had it forgotten."""
    body = {"message": "Hello!", "conversation_id": conversation}
    asked = httpx.post(f"{gateway_url}/api/v1/chat/", json=body, headers={"Authorization": f"Bearer {TOKEN}"})
    return asked.status_code == httpx.codes.NOT_FOUND


def told(browser: Browser, question: str, expected: str) -> None:
    """Ask, and wait until the answer is whole and has this in it."""
    before = browser.text("tuned")
    browser.ask(question)
    browser.until(lambda: browser.text("tuned") != before and expected in browser.text("tuned").removeprefix(before))
    browser.until(lambda: browser.shown("#ask"))
