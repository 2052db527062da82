"""Who is signed in: the tokens, in memory only, each found by a random id that the browser holds as a cookie."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

IDLE_SECONDS = 30 * 60
LIFE_SECONDS = 12 * 60 * 60
MAX_SESSIONS = 5_000
"""Beyond it the session longest unused ends."""
GONE_SECONDS = 3.0
"""Without a connection for so long, a page counts as left."""
MAX_PAGES = 20
"""Open pages of one browser; beyond it the oldest one's conversations are no longer followed up."""


@dataclass
class Page:
    """One open page's conversations at the gateway: of the tuned answers and of the base model's."""

    tuned: str | None = None
    base: str | None = None
    listening: int = 0
    """Connections on which the browser waits for answers now."""
    listened: float = 0.0
    """When it last began to ask or stopped to wait, by time.monotonic()."""

    def wanted(self) -> bool:
        """Whether anybody still waits for an answer. Between two connections there is a moment without any."""
        return self.listening > 0 or time.monotonic() - self.listened < GONE_SECONDS


@dataclass
class Session:
    """One browser. `pages` by the id that Gradio gives a page; a page belongs to the browser that opened it."""

    token: str = field(repr=False)
    began: float
    used: float
    pages: "OrderedDict[str, Page]" = field(default_factory=OrderedDict)


class Sessions:
    """All of them. Nothing is written anywhere: a restart signs everybody out."""

    def __init__(self, secure_cookie: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.secure_cookie = secure_cookie
        self.cookie = "__Host-banktuner" if secure_cookie else "banktuner"
        self._clock = clock
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._page_owners: dict[str, str] = {}

    def begin(self, token: str) -> str:
        """The new session's id, 256 random bits."""
        now = self._clock()
        key = secrets.token_urlsafe(32)
        self._sessions[key] = Session(token, now, now)
        for old in [key for key, session in self._sessions.items() if self._over(session)]:
            self._end(old)
        while len(self._sessions) > MAX_SESSIONS:
            self._end(next(iter(self._sessions)))
        return key

    def find(self, cookies: Mapping[str, str]) -> Session | None:
        """The session of a request, which counts as its use."""
        key = cookies.get(self.cookie, "")
        session = self._sessions.get(key)
        if session is None:
            return None
        if self._over(session):
            self._end(key)
            return None
        session.used = self._clock()
        self._sessions.move_to_end(key)
        return session

    def end(self, cookies: Mapping[str, str]) -> None:
        """Forget the token."""
        self._end(cookies.get(self.cookie, ""))

    def owns(self, cookies: Mapping[str, str], page_id: str) -> bool:
        """Whether the page is this browser's. The first that names a page owns it: ids are the page's own choice."""
        session = self.find(cookies)
        if session is None:
            return False
        key = cookies[self.cookie]
        if self._page_owners.setdefault(page_id, key) != key:
            return False
        session.pages.setdefault(page_id, Page())
        session.pages.move_to_end(page_id)
        while len(session.pages) > MAX_PAGES:
            self._page_owners.pop(session.pages.popitem(last=False)[0], None)
        return True

    def _over(self, session: Session) -> bool:
        now = self._clock()
        return now - session.used > IDLE_SECONDS or now - session.began > LIFE_SECONDS

    def _end(self, key: str) -> None:
        session = self._sessions.pop(key, None)
        for page_id in session.pages if session else ():
            self._page_owners.pop(page_id, None)
