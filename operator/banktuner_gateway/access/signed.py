"""Bearer tokens signed by the bank's identity provider (RFC 7519, checked as RFC 8725 says)."""

from typing import Any

import jwt

from banktuner_api.gateway import LONGEST_NAME, Jwt
from banktuner_gateway.access.caller import Caller, Headers, bearer_token, unauthorized
from banktuner_gateway.access.jwks import ALGORITHMS, Jwks

MAX_TOKEN_BYTES = 8192
LEEWAY_SECONDS = 30
"""Between the provider's clock and this one."""
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
"""What a token may say it is. A provider signs other things with the same keys, such as logout tokens."""
_OPTIONS: jwt.types.Options = {"require": ["iss", "aud", "exp", "iat", "sub"]}


class JwtAuthenticator:
    """The caller is the token's subject, its groups are those of the configured claim."""

    def __init__(self, settings: Jwt, keys: Jwks) -> None:
        self._settings = settings
        self._keys = keys

    @property
    def problems(self) -> list[str]:
        """What is wrong with the provider's keys."""
        return [f"tokens: the identity provider's keys (jwksUri): {self._keys.problem}"] if self._keys.problem else []

    @property
    def usable(self) -> bool:
        """Whether there are keys to check a token with."""
        return self._keys.fresh

    def start(self) -> None:
        """Fetch the provider's keys in the background."""
        self._keys.start()

    async def close(self) -> None:
        """Stop fetching them."""
        await self._keys.close()

    async def authenticate(self, headers: Headers) -> Caller:
        """The caller. Raises ApiError 401, the same for everything that is wrong, the provider's absence too."""
        try:
            claims = await self._claims(bearer_token(headers) or b"")
        except jwt.PyJWTError:
            raise unauthorized() from None
        name = claims["sub"]
        if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise unauthorized()
        return Caller(name, groups_of(claims.get(self._settings.groups_claim)))

    async def _claims(self, token: bytes) -> dict[str, Any]:
        if len(token) > MAX_TOKEN_BYTES:
            raise jwt.DecodeError
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        if str(header.get("typ", "jwt")).lower() not in _TYPES:
            raise jwt.InvalidTokenError
        # Of the header only `kid` and `alg` are read, and only to pick one of the provider's keys, which is bound to
        # its algorithm: a key within the token (jwk), or an address of one (jku, x5u), is never looked at.
        key = await self._keys.find(header.get("kid"), algorithm)
        if key is None:
            raise jwt.InvalidKeyError
        return jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=self._settings.issuer,
            audience=self._settings.audience,
            leeway=LEEWAY_SECONDS,
            options=_OPTIONS,
        )


def groups_of(claim: Any) -> frozenset[str]:
    """Groups of a list, or of a text with spaces between them; none of anything else."""
    if isinstance(claim, str):
        return frozenset(claim.split())
    if isinstance(claim, list):
        return frozenset(group for group in claim if isinstance(group, str))
    return frozenset()
