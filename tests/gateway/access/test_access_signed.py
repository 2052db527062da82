"""Signed tokens: who is let in, and that every forgery gets the same 401."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from banktuner_api.gateway import Jwt
from banktuner_gateway.access.caller import Caller
from banktuner_gateway.access.jwks import Jwks
from banktuner_gateway.access.signed import JwtAuthenticator, groups_of
from banktuner_gateway.errors import ApiError
from tests.gateway.access.identity_provider import (
    AUDIENCE,
    ISSUER,
    IdentityProvider,
    bearer,
    claims,
    new_key,
    public_jwk,
    segment,
    sign,
)

KEYS = {algorithm: new_key(algorithm) for algorithm in ("RS256", "PS256", "ES256", "EdDSA")}
STRANGER = new_key("RS256")
SETTINGS = Jwt(issuer=ISSUER, audience=AUDIENCE, jwks_uri="https://login.bank.example/keys")
RSA_PEM = KEYS["RS256"].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(scope="module")
def provider():
    server = IdentityProvider()
    server.publish(*(public_jwk(key, name, kid=name, use="sig") for name, key in KEYS.items()))
    yield server
    server.close()


@pytest.fixture
async def authenticator(provider):
    made = JwtAuthenticator(SETTINGS, Jwks(provider.uri))
    made.start()
    yield made
    await made.close()


async def refusal(authenticator, headers) -> bytes:
    with pytest.raises(ApiError) as refused:
        await authenticator.authenticate(headers)
    assert refused.value.status == 401
    assert refused.value.headers == {"WWW-Authenticate": "Bearer"}
    return refused.value.response("id").body


@pytest.mark.parametrize("algorithm", list(KEYS))
async def test_each_algorithm_lets_its_caller_in(authenticator, algorithm):
    token = sign(KEYS[algorithm], algorithm, claims(), kid=algorithm)
    assert await authenticator.authenticate(bearer(token)) == Caller("teller-7", frozenset({"loans"}))
    assert authenticator.usable and authenticator.problems == []


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_kinds_of_tokens_that_are_meant_for_access(authenticator, typ):
    token = sign(KEYS["ES256"], "ES256", claims(), kid="ES256", typ=typ)
    assert (await authenticator.authenticate(bearer(token))).name == "teller-7"


@pytest.mark.parametrize(("claim", "seconds"), [("nbf", 20), ("iat", 20), ("exp", -5)])
async def test_clocks_may_differ_a_little(authenticator, claim, seconds):
    await authenticator.authenticate(bearer(sign(KEYS["ES256"], "ES256", claims(), kid="ES256")))
    token = sign(KEYS["ES256"], "ES256", claims(**{claim: int(time.time()) + seconds}), kid="ES256")
    assert (await authenticator.authenticate(bearer(token))).name == "teller-7"


async def test_one_of_several_audiences_is_enough(authenticator):
    token = sign(KEYS["ES256"], "ES256", claims(aud=[AUDIENCE, "something-else"]), kid="ES256")
    assert (await authenticator.authenticate(bearer(token))).name == "teller-7"


def _unsigned(alg: object, content: dict | None = None) -> str:
    return f"{segment({'alg': alg, 'typ': 'JWT', 'kid': 'RS256'})}.{segment(content or claims())}."


def _keyed_with_the_public_key(algorithm: str, key: bytes) -> str:
    """Algorithm confusion: HMAC whose password is what everybody can download."""
    signed = f"{segment({'alg': algorithm, 'typ': 'JWT', 'kid': 'RS256'})}.{segment(claims())}"
    digest = hmac.new(key, signed.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    return f"{signed}.{segment(digest)}"


def _with_payload_of_another(algorithm: str) -> str:
    head, _, signature = sign(KEYS[algorithm], algorithm, claims(), kid=algorithm).split(".")
    return f"{head}.{segment(claims(sub='admin'))}.{signature}"


def _header_only(**header: object) -> str:
    return f"{segment(header)}.{segment(claims())}.{segment(b'x' * 256)}"


def _by_stranger(**header: object) -> str:
    return sign(STRANGER, "RS256", claims(), **{"kid": "RS256", **header})


NOW = int(time.time())
BAD_CLAIMS = {
    "expired": {"exp": NOW - 3600},
    "no exp": {"exp": None},
    "exp is text": {"exp": "tomorrow"},
    "exp is infinite": {"exp": float("inf")},
    "exp is no number": {"exp": float("nan")},
    "exp is a list": {"exp": [NOW + 300]},
    "not yet": {"nbf": NOW + 3600},
    "issued tomorrow": {"iat": NOW + 86_400},
    "no iat": {"iat": None},
    "wrong audience": {"aud": "another-service"},
    "longer audience": {"aud": AUDIENCE + "-admin"},
    "no audience": {"aud": None},
    "audience is a number": {"aud": 7},
    "audience holds a number": {"aud": [AUDIENCE, 7]},
    "wrong issuer": {"iss": "https://login.bank.example.evil"},
    "issuer is a part of ours": {"iss": "https://login"},
    "no issuer": {"iss": None},
    "issuer is a list": {"iss": [ISSUER]},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject is a number": {"sub": 7},
    "subject with a line break": {"sub": "teller\nadmin"},
    "endless subject": {"sub": "x" * 256},
}
FORGED = {
    "none": _unsigned("none"),
    "None": _unsigned("None"),
    "NONE": _unsigned("NONE"),
    "no alg": f"{segment({'typ': 'JWT'})}.{segment(claims())}.",
    "alg is null": _unsigned(None),
    "alg is a list": _unsigned(["RS256"]),
    "alg is an object": _unsigned({}),
    "HS256 with the public PEM": _keyed_with_the_public_key("HS256", RSA_PEM),
    "HS384 with the public PEM": _keyed_with_the_public_key("HS384", RSA_PEM),
    "HS512 with the public PEM": _keyed_with_the_public_key("HS512", RSA_PEM),
    "HS256 with nothing": _keyed_with_the_public_key("HS256", b""),
    "HS256 with the modulus": _keyed_with_the_public_key(
        "HS256", base64.urlsafe_b64decode(public_jwk(KEYS["RS256"], "RS256")["n"] + "==")
    ),
    "an algorithm outside the list": sign(KEYS["RS256"], "RS512", claims(), kid="RS256"),
    "another key type's algorithm": sign(KEYS["RS256"], "RS256", claims(), kid="ES256"),
    "another's payload (RS256)": _with_payload_of_another("RS256"),
    "another's payload (EdDSA)": _with_payload_of_another("EdDSA"),
    "a stranger's key under our id": _by_stranger(),
    "a stranger's key, carried along": _by_stranger(jwk=public_jwk(STRANGER, "RS256")),
    "a stranger's key, at an address": _by_stranger(jku="http://127.0.0.1:9/keys", x5u="http://127.0.0.1:9/cert"),
    "id: a path": _by_stranger(kid="../../../../dev/null"),
    "id: SQL": _by_stranger(kid="x' UNION SELECT 'key"),
    "id: an address": _by_stranger(kid="http://127.0.0.1:9/keys"),
    "id: a command": _by_stranger(kid="|cat /etc/passwd"),
    "id: empty": _by_stranger(kid=""),
    "id: NUL": _by_stranger(kid="RS256\x00"),
    "id: a number": _header_only(alg="RS256", kid=7),
    "id: a list": _header_only(alg="RS256", kid=["RS256"]),
    "no id, and several keys": sign(KEYS["RS256"], "RS256", claims()),
    "a critical extension": sign(KEYS["RS256"], "RS256", claims(), kid="RS256", crit=["exp"]),
    "payload detached": sign(KEYS["RS256"], "RS256", claims(), kid="RS256", b64=False, crit=["b64"]),
    "a logout token": sign(KEYS["RS256"], "RS256", claims(), kid="RS256", typ="logout+jwt"),
    "kind is a number": sign(KEYS["RS256"], "RS256", claims(), kid="RS256", typ=7),
    "signature cut": sign(KEYS["ES256"], "ES256", claims(), kid="ES256")[:-4],
    "signature of zeros": f"{segment({'alg': 'ES256', 'kid': 'ES256'})}.{segment(claims())}.{segment(bytes(64))}",
    "header is a list": f"{segment([])}.{segment(claims())}.{segment(b'x')}",
    "header is deep": f"{segment(b'[' * 3000)}.{segment(claims())}.{segment(b'x')}",
    "payload is a list": jwt.api_jws.encode(b"[]", KEYS["RS256"], "RS256", headers={"kid": "RS256"}),
    "payload is deep": jwt.api_jws.encode(
        b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}", KEYS["ES256"], "ES256", headers={"kid": "ES256"}
    ),
    "encrypted (five parts)": "a.b.c.d.e",
    "one part": "token",
    "dots": "..",
    "not ASCII": "schlüssel.ü.ü",
    "too long, and otherwise good": sign(KEYS["ES256"], "ES256", claims(pad="x" * 8192), kid="ES256"),
    "a megabyte": "x" * 1_000_000,
}


async def test_everything_wrong_gets_the_same_401(authenticator, provider):
    none = await refusal(authenticator, [])
    for name, token in FORGED.items():
        assert await refusal(authenticator, bearer(token)) == none, name
    for name, changes in BAD_CLAIMS.items():
        token = sign(KEYS["ES256"], "ES256", claims(**changes), kid="ES256")
        assert await refusal(authenticator, bearer(token)) == none, name
    good = sign(KEYS["ES256"], "ES256", claims(), kid="ES256")
    for headers in ([*bearer(good), *bearer(good)], [(b"authorization", good.encode())], bearer(b"\xff\xfe")):
        assert await refusal(authenticator, headers) == none
    assert json.loads(none)["error"]["code"] == "unauthorized"


WITHOUT_KEYS = JwtAuthenticator(SETTINGS, Jwks("http://127.0.0.1:9/keys"))
"""One for all examples: each has TLS settings of its own, which take long to make."""


@given(token=st.one_of(st.binary(max_size=200), st.from_regex(rb"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,3}")))
async def test_noise_gets_a_401_and_nothing_else(token):
    await refusal(WITHOUT_KEYS, bearer(token))


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text()
            | st.sampled_from(["RS256", "none", "b64"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
async def test_any_header_gets_a_401_and_nothing_else(header):
    await refusal(WITHOUT_KEYS, bearer(f"{segment(header)}.{segment(claims())}.eA"))


@pytest.mark.parametrize(
    ("claim", "groups"),
    [
        (["loans", "fraud desk"], {"loans", "fraud desk"}),
        ("loans  fraud", {"loans", "fraud"}),
        ("", set()),
        (None, set()),
        (7, set()),
        ({"loans": True}, set()),
        (["loans", 7, None, ["x"]], {"loans"}),
    ],
)
def test_groups_are_a_list_or_words(claim, groups):
    assert groups_of(claim) == groups


async def test_the_claim_with_the_groups_can_be_named(provider):
    settings = SETTINGS.model_copy(update={"groups_claim": "https://bank.example/roles"})
    authenticator = JwtAuthenticator(settings, Jwks(provider.uri))
    token = sign(KEYS["RS256"], "RS256", claims(**{"https://bank.example/roles": "loans fraud"}), kid="RS256")
    assert (await authenticator.authenticate(bearer(token))).groups == {"loans", "fraud"}
    await authenticator.close()
