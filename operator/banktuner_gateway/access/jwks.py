"""The identity provider's public keys (RFC 7517): fetched in the background, kept, and for a while used without it."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

logger = logging.getLogger("banktuner.gateway.access")

ALGORITHMS = {"RS256": ("RSA", None), "PS256": ("RSA", None), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}
"""All that is accepted, each with its key's type and curve: public keys only, so no key doubles as a password."""
REFRESH_SECONDS = 300.0
RETRY_SECONDS = 10.0
"""Between two attempts while the provider does not answer."""
UNKNOWN_KEY_SECONDS = 30.0
"""From any fetch to one because of a key that nobody knows: tokens with made-up keys cannot make them more frequent."""
STALE_SECONDS = 3600.0
"""How long keys are used without hearing from the provider. A key withdrawn meanwhile works no longer than this."""
FETCH_SECONDS = 5.0
MAX_BYTES = 256 * 1024
MAX_KEYS = 64
_RSA_BITS = range(2048, 8193)
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")

Keys = dict[tuple[str | None, str], jwt.PyJWK]
"""By key id (None: the key has none) and algorithm."""


class JwksError(Exception):
    """The provider's answer cannot be used. The message quotes nothing of it."""


class Jwks:
    """The keys at `uri`. Without any that are fresh enough it knows none, and so nobody is let in."""

    def __init__(self, uri: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._uri = uri
        self._clock = clock
        self._client = httpx.AsyncClient(timeout=FETCH_SECONDS, follow_redirects=False)
        self._keys: Keys = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self.problem: str | None = "not asked yet"
        """Why the last fetch gave nothing."""

    @property
    def fresh(self) -> bool:
        """Whether there are keys that may be used now."""
        return self._fetched_at is not None and self._clock() - self._fetched_at <= STALE_SECONDS

    def start(self) -> None:
        """Fetch now, and again from time to time."""
        self._refreshing = asyncio.create_task(self._refresh(), name="jwks")

    async def close(self) -> None:
        """Stop fetching."""
        tasks = [task for task in (self._refreshing, self._fetching) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key for a token's header. Where there is no such key it waits for a fetch that is due or on its way."""
        if self._find(kid, algorithm) is None and (self._asking or self._may_ask()):
            await self.fetch()
        return self._find(kid, algorithm) if self.fresh else None

    async def fetch(self) -> None:
        """Ask the provider; whoever asks meanwhile gets the same answer. Tells failures in `problem`."""
        if self._fetching is None or self._fetching.done():
            self._asked_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch(), name="jwks-fetch")
        # Shielded: a client that goes away must not take the fetch from the others.
        await asyncio.shield(self._fetching)

    @property
    def _asking(self) -> bool:
        return self._fetching is not None and not self._fetching.done()

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._clock() - self._asked_at >= UNKNOWN_KEY_SECONDS

    def _find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        if kid is not None:
            return self._keys.get((kid, algorithm))
        # RFC 7515 leaves the key id to the issuer. Without one only a provider's one key can be meant.
        keys = [key for (_, other), key in self._keys.items() if other == algorithm]
        return keys[0] if len(keys) == 1 else None

    async def _refresh(self) -> None:
        while True:
            await self.fetch()
            await asyncio.sleep(RETRY_SECONDS if self.problem else REFRESH_SECONDS)

    async def _fetch(self) -> None:
        before = self.problem
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read_keys(await self._download())
            self._fetched_at, self.problem = self._clock(), None
        except JwksError as error:
            self.problem = str(error)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            self.problem = f"no answer ({type(error).__name__})"
        if self.problem != before:
            level = logging.WARNING if self.problem else logging.INFO
            logger.log(level, "keys read", extra={"fields": {"keys": len(self._keys), "problem": self.problem}})

    async def _download(self) -> bytes:
        async with self._client.stream("GET", self._uri, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != 200:
                raise JwksError(f"status {answer.status_code}")
            body = bytearray()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > MAX_BYTES:
                    raise JwksError(f"more than {MAX_BYTES} bytes")
            return bytes(body)


def read_keys(body: bytes) -> Keys:
    """The usable keys of a JWK set; others are left out. Raises JwksError where it has none or is not one."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise JwksError("not JSON") from None
    members = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(members, list):
        raise JwksError("not a JWK set")
    keys: Keys = {}
    for member in members[:MAX_KEYS]:
        for name, key in _usable(member):
            # Of two keys with one id the first stays: which one was meant cannot be told.
            keys.setdefault(name, key)
    if not keys:
        raise JwksError(f"no key for {', '.join(ALGORITHMS)}")
    return keys


def _usable(member: Any) -> Iterable[tuple[tuple[str | None, str], jwt.PyJWK]]:
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return
    kid = member.get("kid")
    if not isinstance(kid, str | None):
        return
    # Only the public members: a provider's mistake must not make this process hold its private key.
    public = {name: member[name] for name in _PUBLIC_MEMBERS if isinstance(member.get(name), str)}
    for algorithm, (kind, curve) in ALGORITHMS.items():
        if public.get("kty") != kind or public.get("crv") != curve or member.get("alg", algorithm) != algorithm:
            continue
        try:
            key = jwt.PyJWK(public, algorithm)
        except (jwt.PyJWTError, ValueError, TypeError, KeyError):
            return
        if not isinstance(key.key, RSAPublicKey) or key.key.key_size in _RSA_BITS:
            yield (kid, algorithm), key
