"""An OpenID Connect provider that does what it should, except for what a test changes.

It runs in the test's own loop and shares no code with the program: tokens are put together here.
"""

import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from tests.support.manual_clock import ManualClock
from tests.support.raw_server import Peer, RawServer, answer

CLIENT_ID, CLIENT_SECRET = "thinkwatch", "p@ss:word/with+marks%"
REDIRECT = "https://thinkwatch.example.com/api/auth/sso/callback"
LEFT_OUT = object()
"""As a value of a claim: the claim is missing."""


@cache
def rsa_key(kid: str = "rsa-1") -> RSAKey:
    """Return a key of that name; making one takes a while."""
    return RSAKey.generate_key(2048, {"kid": kid})


@cache
def ec_key() -> ECKey:
    return ECKey.generate_key("P-256", {"kid": "ec-1", "alg": "ES256"})


@cache
def ed_key() -> OKPKey:
    return OKPKey.generate_key("Ed25519", {"kid": "ed-1"})


def encoded(data: bytes | dict[str, Any]) -> str:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    """Return a token with a signature of the algorithm in the header."""
    if "crit" in header:  # the library refuses to write what it would have to refuse to read
        message = f"{encoded(header)}.{encoded(claims)}"
        assert isinstance(key, RSAKey)
        assert key.private_key is not None
        genuine = key.private_key.sign(message.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{message}.{encoded(genuine)}"
    registry = jws.JWSRegistry(algorithms=[header["alg"]], strict_check_header=False)
    return jws.serialize_compact(header, json.dumps(claims), key, registry=registry)


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{encoded({**header, 'alg': 'none'})}.{encoded(claims)}."


def signed_with_the_public_key(header: dict[str, Any], claims: dict[str, Any], key: RSAKey) -> str:
    """Return what a verifier that lets the token choose takes for genuine (RFC 8725 section 2.1)."""
    public = key.public_key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    message = f"{encoded({**header, 'alg': 'HS256'})}.{encoded(claims)}"
    return f"{message}.{encoded(hmac.digest(public, message.encode(), 'sha256'))}"


Minting = Callable[[dict[str, Any], dict[str, Any]], str]


@dataclass(slots=True)
class Person:
    """Whom the provider signs in, and what the ID token says beside the protocol's own claims."""

    subject: str = "248289761001"
    claims: dict[str, Any] = field(
        default_factory=lambda: {
            "email": "Jane@Example.com",
            "email_verified": True,
            "name": "Jane Doe",
            "groups": ["developers"],
        }
    )


@dataclass(slots=True)
class IdentityProvider:
    """What a test may change: each overrides what is right."""

    issuer: str
    clock: ManualClock
    person: Person = field(default_factory=Person)
    discovery: dict[str, Any] = field(default_factory=dict[str, Any])
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    header: dict[str, Any] = field(default_factory=dict[str, Any])
    minting: Minting | None = None
    key: Key = field(default_factory=rsa_key)
    published: list[Key] = field(default_factory=lambda: [rsa_key(), ec_key(), ed_key()])
    jwks: dict[str, Any] | None = None
    token_answer: dict[str, Any] = field(default_factory=dict[str, Any])
    userinfo: dict[str, Any] = field(default_factory=dict[str, Any])
    raw: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    during_exchange: Callable[[], Awaitable[object]] | None = None
    paths: list[str] = field(default_factory=list[str])
    token_requests: list[tuple[dict[str, str], dict[str, str]]] = field(
        default_factory=list[tuple[dict[str, str], dict[str, str]]]
    )
    _codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    _made: int = 0

    def approve(self, url: str) -> dict[str, str]:
        """Sign the person in at the authorization endpoint; return what the browser brings back."""
        asked = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
        assert url.startswith(f"{self.issuer}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        self._made += 1
        code = f"code-{self._made}"
        self._codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def document(self) -> dict[str, Any]:
        return _overridden(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "end_session_endpoint": f"{self.issuer}/logout?tenant=1",
                "response_types_supported": ["code", "id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
            },
            self.discovery,
        )

    def id_token(self, asked: dict[str, str], access_token: str) -> str:
        now = self.clock.now_ms() // 1000
        algorithm = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}[self.key.key_type]
        digest = hashlib.new("sha512" if algorithm == "EdDSA" else "sha256", access_token.encode())
        claims = _overridden(
            {
                "iss": self.issuer,
                "sub": self.person.subject,
                "aud": CLIENT_ID,
                "exp": now + 300,
                "iat": now,
                "nonce": asked["nonce"],
                "at_hash": encoded(digest.digest()[: digest.digest_size // 2]),
                **self.person.claims,
            },
            self.claims,
        )
        header = _overridden({"alg": algorithm, "typ": "JWT", "kid": self.key.kid}, self.header)
        if self.minting is not None:
            return self.minting(header, claims)
        return signed(header, claims, self.key)

    async def serve(self, peer: Peer) -> None:
        """Answer every request of a connection."""
        while True:
            received = await peer.request()
            path = received.line.split()[1].decode()
            self.paths.append(path)
            if path == "/token" and self.during_exchange is not None:
                await self.during_exchange()
            headers = {name.decode(): value.decode() for name, value in received.headers}
            status, document = self._answer(path, headers, received.body.decode())
            content = json.dumps(document).encode()
            if path in self.raw:
                status, content = self.raw[path]
            await peer.send(answer(content, b"location: /elsewhere", status=status))

    def _answer(self, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, Any]]:
        if path == "/.well-known/openid-configuration":
            return 200, self.document()
        if path == "/keys":
            public = [key.as_dict(private=False) for key in self.published]
            return 200, {"keys": public} if self.jwks is None else self.jwks
        if path == "/token":
            return self._token(headers, body)
        if path == "/userinfo" and headers.get("authorization", "").startswith("Bearer at-"):
            return 200, _overridden({"sub": self.person.subject}, self.userinfo)
        return 404, {"error": "not_found"}

    def _token(self, headers: dict[str, str], body: str) -> tuple[int, dict[str, Any]]:
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        self.token_requests.append((headers, form))
        if not _is_our_client(headers.get("authorization"), form):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form["code"], None)
        challenge = encoded(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            asked is None
            or form["grant_type"] != "authorization_code"
            or asked["redirect_uri"] != form["redirect_uri"]
            or asked["code_challenge"] != challenge
        ):
            return 400, {"error": "invalid_grant", "error_description": "Expired or used code."}
        access_token = f"at-{form['code']}"
        tokens = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
        tokens["id_token"] = self.id_token(asked, access_token)
        return 200, _overridden(tokens, self.token_answer)


def _is_our_client(authorization: str | None, form: dict[str, str]) -> bool:
    if authorization is None:
        secret = form.get("client_secret")
        return form.get("client_id") == CLIENT_ID and secret in {CLIENT_SECRET, None}
    kind, _, value = authorization.partition(" ")
    name, _, secret = base64.b64decode(value).decode().partition(":")
    return (kind, unquote(name), unquote(secret)) == ("Basic", CLIENT_ID, CLIENT_SECRET)


def _overridden(right: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**right, **changes}
    return {name: value for name, value in merged.items() if value is not LEFT_OUT}


@contextlib.asynccontextmanager
async def identity_provider(clock: ManualClock) -> AsyncGenerator[IdentityProvider]:
    """Run a provider on a free port; who asks it must have hung up before this is left."""
    provider = IdentityProvider("", clock)
    async with RawServer(provider.serve) as server:
        provider.issuer = server.url("")
        yield provider
