"""Who is let in: the header matrix and the life of a mounted Secret."""

import ast
import hashlib
import time
from pathlib import Path

import httpx
import pytest

from banktuner_gateway.access import tokens
from banktuner_gateway.access.caller import Caller, bearer_token
from tests.gateway.harness import AUTH, CHAT, TOKEN, swap_data_link, write_tokens

QUESTION = {"message": "Hello"}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"Authorization", b"")],
        [(b"Authorization", b"Bearer")],
        [(b"Authorization", b"Bearer wrong")],
        [(b"Authorization", f"Bearer {TOKEN}x".encode())],
        [(b"Authorization", f"Bearer {TOKEN[:-1]}".encode())],
        [(b"Authorization", f"Basic {TOKEN}".encode())],
        [(b"Authorization", TOKEN.encode())],
        [(b"Authorization", "Bearer schlüssel".encode())],
        [(b"Authorization", b"Bearer \xff\xfe")],
        [(b"Authorization", f"Bearer {hashlib.sha256(TOKEN.encode()).hexdigest()}".encode())],
        [(b"Authorization", f"Bearer {TOKEN}".encode()), (b"Authorization", f"Bearer {TOKEN}".encode())],
        [(b"Authorization", b"Bearer " + b"x" * 1_000_000)],
    ],
    ids=lambda headers: (b"+".join(value[:24] for _, value in headers)).decode("latin-1") or "none",
)
def test_everything_wrong_gets_the_same_401(client, engine, headers):
    answer = client.post(CHAT, json=QUESTION, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    error = answer.json()["error"]
    assert error.pop("request_id") == answer.headers["x-request-id"]
    message = "A valid token is needed: Authorization: Bearer <token>."
    assert error == {"code": "unauthorized", "message": message}
    assert engine.requests == []


def test_the_scheme_is_case_insensitive(client):
    assert client.post(CHAT, json=QUESTION, headers={"Authorization": f"bearer {TOKEN}"}).status_code == 200


def test_a_stranger_learns_nothing_about_the_body(client):
    assert client.post(CHAT, content=b"{", headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_rotation_and_revocation_need_no_restart(files, start_gateway):
    with httpx.Client(base_url=start_gateway()) as client:
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 200
        write_tokens(files / "tokens", mobile="the-new-token")
        time.sleep(tokens.CHECK_SECONDS + 0.1)
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 401
        assert client.post(CHAT, json=QUESTION, headers={"Authorization": "Bearer the-new-token"}).status_code == 200


@pytest.mark.parametrize("value", [b"", b"Bearer", b"Bearer ", b"Bearer \t ", b"Basic dGVzdA=="])
def test_no_token_is_not_an_empty_token(value):
    assert bearer_token([(b"authorization", value)]) is None


async def test_the_caller_is_named_and_is_its_own_group(files):
    write_tokens(files / "tokens", teller="one", mobile="two")
    store = tokens.TokenStore(files / "tokens")
    assert await store.authenticate([(b"authorization", b"Bearer one")]) == Caller("teller", frozenset({"teller"}))
    assert (await store.authenticate([(b"authorization", b"Bearer two")])).name == "mobile"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.mark.parametrize("between", ["\n", "\r\n", "\n\n"])
async def test_a_caller_may_have_two_tokens_while_one_is_being_replaced(files, between):
    _with_entries(files / "tokens", {"teller": f"{_digest('old')}{between}{_digest('new')}\n".encode()})
    store = tokens.TokenStore(files / "tokens")
    for token in (b"old", b"new"):
        assert (await store.authenticate([(b"authorization", b"Bearer " + token)])).name == "teller"
    assert store.problems == []


def _with_entries(directory: Path, entries: dict[str, bytes]) -> None:
    version = directory / "..broken"
    version.mkdir()
    for name, content in entries.items():
        (version / name).write_bytes(content)
    swap_data_link(directory, version)


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({}, "no caller"),
        ({"teller": b""}, "1 of 1 entries"),
        ({"teller": TOKEN.encode()}, "1 of 1 entries"),
        ({"teller": b"\xff" * 64}, "1 of 1 entries"),
        ({"teller": b"zz" * 32}, "1 of 1 entries"),
        ({"teller": _digest("").encode()}, "1 of 1 entries"),
        ({"teller": f"{_digest(TOKEN)}\nraw-token".encode()}, "1 of 1 entries"),
        ({"teller": f"{_digest(TOKEN)}\n{_digest('')}".encode()}, "1 of 1 entries"),
        ({"teller": _digest(TOKEN).encode() * 2}, "1 of 1 entries"),
    ],
)
def test_a_secret_without_a_usable_digest_admits_nobody_and_is_told(files, start_gateway, entries, reason):
    _with_entries(files / "tokens", entries)
    with httpx.Client(base_url=start_gateway()) as client:
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 401
        assert client.post(CHAT, json=QUESTION, headers={"Authorization": "Bearer"}).status_code == 401
        ready = client.get("/readyz")
    assert ready.status_code == 503
    assert reason in " ".join(ready.json()["reasons"])
    assert "teller" not in ready.text


def test_a_missing_directory_admits_nobody_and_is_told(files, start_gateway):
    (files / "tokens").rename(files / "elsewhere")
    with httpx.Client(base_url=start_gateway()) as client:
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 401
        assert "No such file" in client.get("/readyz").json()["reasons"][0]


def test_one_malformed_entry_locks_out_its_own_caller_only(files, start_gateway):
    good = hashlib.sha256(TOKEN.encode()).hexdigest().upper().encode()
    _with_entries(files / "tokens", {"teller": good, "mobile": b"raw-token"})
    with httpx.Client(base_url=start_gateway()) as client:
        assert client.post(CHAT, json=QUESTION, headers=AUTH).status_code == 200
        assert client.post(CHAT, json=QUESTION, headers={"Authorization": "Bearer raw-token"}).status_code == 401
        ready = client.get("/readyz")
    assert ready.status_code == 200
    assert "1 of 2 entries" in ready.json()["warnings"][0]


async def test_a_removed_entry_whose_link_still_hangs_locks_out_nobody_else(files):
    """The kubelet swaps the data first and takes away the links of what is gone afterwards."""
    write_tokens(files / "tokens", teller="one")
    (files / "tokens" / "mobile").symlink_to("..data/mobile")
    store = tokens.TokenStore(files / "tokens")
    assert (await store.authenticate([(b"authorization", b"Bearer one")])).name == "teller"
    assert store.problems == []


def test_digests_are_compared_in_constant_time_only():
    """No == in the function that decides; the rule is read from the source because a clock is too noisy for it."""
    tree = ast.parse(Path(tokens.__file__).read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)]
    decide = next(node for node in functions if node.name == "authenticate")
    comparisons = [node for node in ast.walk(decide) if isinstance(node, ast.Compare)]
    assert all(isinstance(operator, ast.Is) for node in comparisons for operator in node.ops)
    assert "compare_digest" in ast.unparse(decide)
    assert not any(isinstance(node, ast.Break | ast.Continue) for node in ast.walk(decide))
