"""SessionTokens: only what we signed, for its own purpose, and while it lasts."""

import base64

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from msgspec.structs import replace

from adapters.identity.session_tokens import JwtSessionTokens
from application.ports.sessions import SessionTokens, TokenClaims
from domain.identifiers import UserId
from domain.secret import Secret
from tests.support.configuration import NOW_MS, new_id

SECRET = Secret("a-key-for-tests-of-tokens-0f8b1c7d9e")
CLAIMS = TokenClaims(session_id=new_id(), generation=4, user_id=UserId(new_id()))
LATER_MS = NOW_MS + 300_000


@pytest.fixture
def tokens() -> SessionTokens:
    return JwtSessionTokens(SECRET)


def made(header: dict[str, object], key: OctKey | None = None, **changed: object) -> Secret:
    claims: dict[str, object] = {
        "iss": "thinkwatch",
        "aud": "thinkwatch console",
        "sid": CLAIMS.session_id,
        "sub": CLAIMS.user_id,
        "gen": 4,
        "exp": LATER_MS // 1000,
        **changed,
    }
    key = key or OctKey.import_key(SECRET.reveal())
    algorithms = [str(header["alg"])]
    return Secret(jwt.encode(header, claims, key, algorithms=algorithms))


def test_an_access_token_says_who_until_it_expires(tokens: SessionTokens) -> None:
    token = tokens.access(CLAIMS, now_ms=NOW_MS, expires_at_ms=LATER_MS)
    assert tokens.read_access(token, NOW_MS) == CLAIMS
    assert tokens.read_access(token, LATER_MS - 1000) == CLAIMS
    assert tokens.read_access(token, LATER_MS) == replace(CLAIMS, expired=True)
    assert tokens.read_access(made({"alg": "HS256"}), NOW_MS) == CLAIMS


def test_a_refresh_token_is_a_new_one_each_time(tokens: SessionTokens) -> None:
    first, second = tokens.refresh(CLAIMS, b"1" * 32), tokens.refresh(CLAIMS, b"2" * 32)
    assert first != second
    read = tokens.read_refresh(first)
    assert read == TokenClaims(session_id=CLAIMS.session_id, generation=4)


def test_a_token_is_of_no_use_in_another_place(tokens: SessionTokens) -> None:
    access = tokens.access(CLAIMS, now_ms=NOW_MS, expires_at_ms=LATER_MS)
    assert tokens.read_refresh(access) is None
    assert tokens.read_access(tokens.refresh(CLAIMS, bytes(32)), NOW_MS) is None
    assert tokens.read_access(tokens.csrf(CLAIMS), NOW_MS) is None


def test_a_csrf_token_is_of_one_generation_of_one_session(tokens: SessionTokens) -> None:
    token = tokens.csrf(CLAIMS)
    assert tokens.is_csrf(token, CLAIMS)
    for other in (
        TokenClaims(session_id=CLAIMS.session_id, generation=5),
        TokenClaims(session_id=new_id(), generation=4),
    ):
        assert not tokens.is_csrf(token, other)


def _unsigned() -> Secret:
    head, body = (
        base64.urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=")
        for part in ({"alg": "none"}, {"sid": CLAIMS.session_id, "gen": 4, "exp": LATER_MS})
    )
    return Secret(f"{head}.{body}.")


@pytest.mark.parametrize(
    "token",
    [
        made({"alg": "HS256"}, iss="somebody"),
        made({"alg": "HS256"}, aud="another"),
        made({"alg": "HS256"}, gen="4"),
        made({"alg": "HS256"}, exp=None),
        made({"alg": "HS512"}),
        made({"alg": "HS256"}, OctKey.import_key("another-key-for-tests-of-tokens-77aa")),
        _unsigned(),
        Secret(""),
        Secret("a.b.c"),
        Secret("é" * 10),
        Secret("a" * 100_000),
    ],
)
def test_what_we_did_not_sign_says_nothing(tokens: SessionTokens, token: Secret) -> None:
    assert tokens.read_access(token, NOW_MS) is None
    assert tokens.read_refresh(token) is None
