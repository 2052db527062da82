import pytest

from banktuner_ui import sessions as module
from banktuner_ui.sessions import IDLE_SECONDS, LIFE_SECONDS, MAX_PAGES, Sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(secure_cookie=True, clock=clock)


def signed_in(sessions: Sessions, token: str = "secret-token") -> dict[str, str]:
    return {sessions.cookie: sessions.begin(token)}


def test_the_cookie_is_not_the_token(sessions: Sessions) -> None:
    cookies = signed_in(sessions)
    session = sessions.find(cookies)
    assert session and session.token == "secret-token"
    assert "secret-token" not in str(cookies) + repr(session)


def test_unknown_and_ended_sessions(sessions: Sessions) -> None:
    assert sessions.find({}) is None
    assert sessions.find({sessions.cookie: "guess"}) is None
    cookies = signed_in(sessions)
    sessions.end(cookies)
    assert sessions.find(cookies) is None


def test_use_keeps_a_session_but_not_forever(sessions: Sessions, clock: Clock) -> None:
    cookies = signed_in(sessions)
    while clock.now + IDLE_SECONDS <= LIFE_SECONDS:
        clock.now += IDLE_SECONDS
        assert sessions.find(cookies)
    clock.now += IDLE_SECONDS
    assert sessions.find(cookies) is None


def test_an_unused_session_ends(sessions: Sessions, clock: Clock) -> None:
    cookies = signed_in(sessions)
    clock.now += IDLE_SECONDS + 1
    assert sessions.find(cookies) is None


def test_the_longest_unused_makes_room(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SESSIONS", 2)
    first, second = signed_in(sessions), signed_in(sessions)
    sessions.find(first)
    third = signed_in(sessions)
    assert [bool(sessions.find(cookies)) for cookies in (first, second, third)] == [True, False, True]


def test_a_page_belongs_to_the_browser_that_opened_it(sessions: Sessions) -> None:
    mine, other = signed_in(sessions), signed_in(sessions)
    assert sessions.owns(mine, "page")
    assert not sessions.owns(other, "page")
    assert sessions.owns(mine, "page")
    assert not sessions.owns({}, "page")
    sessions.end(mine)
    assert sessions.owns(other, "page")


def test_pages_are_bounded(sessions: Sessions) -> None:
    cookies = signed_in(sessions)
    for number in range(MAX_PAGES + 1):
        assert sessions.owns(cookies, f"page{number}")
    session = sessions.find(cookies)
    assert session and list(session.pages) == [f"page{number}" for number in range(1, MAX_PAGES + 1)]
    assert sessions.owns(signed_in(sessions), "page0")
