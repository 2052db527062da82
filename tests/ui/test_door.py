"""The page as HTTP: signing in, what is closed, what the headers say. The browser's part is in test_browser.py."""

import base64
import hashlib
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.ui.conftest import Served
from tests.ui.gateway import OTHER_TOKEN, TOKEN

OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def anonymous(page: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=page.url, headers=OWN, trust_env=False, timeout=60) as client:
        yield client


def cookie(client: httpx.Client, token: str) -> dict[str, str]:
    """Sent by hand: over plain http only a browser sends a Secure cookie, and to localhost alone."""
    answer = client.post("/login", data={"token": token})
    assert answer.status_code == 303
    return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.fixture
def signed_in(anonymous: httpx.Client) -> httpx.Client:
    anonymous.headers.update(cookie(anonymous, TOKEN))
    return anonymous


def test_the_health_check_needs_no_token(anonymous: httpx.Client) -> None:
    assert anonymous.get("/healthz").json() == {"alive": True}


def test_nothing_without_signing_in(anonymous: httpx.Client) -> None:
    assert anonymous.get("/").headers["location"] == "/login"
    for path in ("/config", "/theme.css", "/gradio_api/info", "/gradio_api/queue/data?session_hash=a", "/assets/x.js"):
        assert anonymous.get(path).status_code == 401, path
    for path in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel", "/gradio_api/upload"):
        assert anonymous.post(path, json={"session_hash": "a"}).status_code == 401, path


def test_the_cookie(anonymous: httpx.Client) -> None:
    said = anonymous.post("/login", data={"token": f" {TOKEN}\n"}).headers["set-cookie"]
    assert said.startswith("__Host-banktuner=") and TOKEN not in said
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(said.split("; "))


@pytest.mark.parametrize("token", ["wrong", "", "two words", "geheim-\N{EURO SIGN}", "x" * 20000])
def test_a_wrong_token_is_told_and_not_repeated(anonymous: httpx.Client, token: str) -> None:
    answer = anonymous.post("/login", data={"token": token})
    assert answer.status_code == 401
    assert "does not know this token" in answer.text
    assert "set-cookie" not in answer.headers
    assert not token or token not in answer.text


def test_the_title_is_text(anonymous: httpx.Client) -> None:
    assert "<h1>Bank &amp; &lt;Co&gt;</h1>" in anonymous.get("/login").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": ""},
    ],
)
def test_other_sites_cannot_post(signed_in: httpx.Client, headers: dict[str, str]) -> None:
    for path in ("/login", "/gradio_api/queue/join", "/gradio_api/run/predict"):
        assert signed_in.post(path, headers=headers).status_code == 403


def test_signing_out_ends_the_session(signed_in: httpx.Client) -> None:
    assert signed_in.get("/").status_code == 200
    assert signed_in.get("/logout").headers["location"] == "/login"
    assert signed_in.get("/").status_code == 303


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/upload"), ("GET", "/gradio_api/file=/etc/passwd"),
        ("GET", "/gradio_api/proxy=https://x.example"),
        ("GET", "/monitoring"), ("POST", "/gradio_api/vibe-edit"), ("POST", "/gradio_api/component_server"),
        ("GET", "/gradio_api/runs"), ("POST", "/gradio_api/run/other"),
        ("GET", "/gradio_api/custom_component/a/client/b/c"),
        ("POST", "/gradio_api/process_recording"), ("GET", "/gradio_api/deep_link"), ("PUT", "/"),
    ],
)  # fmt: skip
def test_what_gradio_has_and_this_page_does_not(signed_in: httpx.Client, method: str, path: str) -> None:
    assert signed_in.request(method, path, json={} if method == "POST" else None).status_code == 404


def test_another_browsers_page_is_closed(signed_in: httpx.Client) -> None:
    event = {"session_hash": "mine", "fn_index": 999, "data": []}
    signed_in.post("/gradio_api/cancel", json={**event, "event_id": "e"})
    other = cookie(signed_in, OTHER_TOKEN)
    assert signed_in.get("/gradio_api/queue/data", params={"session_hash": "mine"}, headers=other).status_code == 403
    assert signed_in.get("/gradio_api/heartbeat/mine", headers=other).status_code == 403
    for path in ("/gradio_api/queue/join", "/gradio_api/run/predict", "/gradio_api/cancel"):
        assert signed_in.post(path, json=event, headers=other).status_code == 403


def test_too_long_a_request(signed_in: httpx.Client) -> None:
    assert signed_in.post("/gradio_api/queue/join", content=b" " * (4 * 1024 * 1024 + 1)).status_code == 413


def test_the_page_runs_its_own_scripts_only(signed_in: httpx.Client) -> None:
    answer = signed_in.get("/")
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == policy["form-action"] == "'self'"
    inline = re.findall(r"<script(?: data-gradio-mode)?>(.*?)</script>", answer.text, re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in inline}
    assert inline and set(policy["script-src"].split()) == {"'self'", *hashes}


def test_the_pages_configuration_tells_no_token_and_no_analytics(signed_in: httpx.Client) -> None:
    config = signed_in.get("/config").json()
    assert config["analytics_enabled"] is False
    assert config["run_history"] is False
    assert TOKEN not in str(config)
