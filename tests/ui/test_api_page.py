"""The gateway's /docs in a real browser: the real gateway process, which needs no engine for it."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from selenium.webdriver.common.by import By

from tests.ui.browser import Browser, chromium

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "tokens").mkdir()
    config = {"namespace": "bank", "name": "assistant", "engineUrl": "http://127.0.0.1:9"}
    (tmp_path / "gateway.json").write_text(json.dumps({**config, "agentUrl": "https://127.0.0.1:9", "maxTokens": 64}))
    port = free_port()
    command = [PYTHON, "-m", "banktuner_gateway", "--host=127.0.0.1", f"--port={port}", f"--config-dir={tmp_path}"]
    command += [f"--tokens-dir={tmp_path / 'tokens'}", f"--work-dir={tmp_path}"]
    running = subprocess.Popen(command, env={"PYTHONPATH": str(ROOT / "operator")}, stdout=subprocess.DEVNULL)
    try:
        _await_alive(f"http://127.0.0.1:{port}", running)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _await_alive(url: str, running: subprocess.Popen[bytes]) -> None:
    while True:
        assert running.poll() is None, "the gateway ended"
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)


def test_the_api_can_be_read_and_tried(url: str) -> None:
    with chromium() as browser:
        browser.open(f"{url}/docs")
        browser.until(lambda: browser.shown(".opblock"))
        for path in ("/api/v1/chat/", "/v1/chat/completions", "/v1/models", "/healthz", "/audit/heads"):
            assert path in browser.text("body").replace("\u200b", "")
        browser.picture("api")
        _authorize(browser, "sk-wrong")
        browser.click("[id$='list_models_v1_models_get'] .opblock-summary-control")
        browser.click(".try-out__btn")
        browser.click(".execute")
        browser.until(lambda: "unauthorized" in browser.text("body"))
        browser.picture("api-tried")
        assert browser.hosts() == {urlsplit(url).netloc}
        assert [line for line in browser.complaints() if "401" not in line] == []


def _authorize(browser: Browser, token: str) -> None:
    browser.click(".btn.authorize")
    browser.until(lambda: browser.shown(".auth-container input"))
    browser.driver.find_element(By.CSS_SELECTOR, ".auth-container input").send_keys(token)
    browser.click(".auth-container .authorize")
    browser.click(".auth-container .btn-done")
