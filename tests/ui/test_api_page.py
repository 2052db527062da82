"""The gateway's /docs in a real browser: the real gateway process, which needs no engine for it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from selenium.webdriver.common.by import By

from tests.gateway.process import ROOT, running_process
from tests.ui.browser import Browser, chromium

PYTHON = ROOT / ".venv" / "bin" / "python"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "tokens").mkdir()
    config = {"namespace": "bank", "name": "assistant", "engineUrl": "http://127.0.0.1:9"}
    (tmp_path / "gateway.json").write_text(json.dumps({**config, "agentUrl": "https://127.0.0.1:9", "maxTokens": 64}))
    running = running_process(tmp_path, probe="/healthz", python=PYTHON, stdout=subprocess.DEVNULL)
    with running as (_, client):
        yield str(client.base_url)


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
        assert "default-src 'none'" in httpx.get(f"{url}/docs").headers["content-security-policy"]
        assert browser.hosts() == {urlsplit(url).netloc}
        assert [line for line in browser.complaints() if "401" not in line] == []


def _authorize(browser: Browser, token: str) -> None:
    browser.click(".btn.authorize")
    browser.until(lambda: browser.shown(".auth-container input"))
    browser.driver.find_element(By.CSS_SELECTOR, ".auth-container input").send_keys(token)
    browser.click(".auth-container .authorize")
    browser.click(".auth-container .btn-done")
