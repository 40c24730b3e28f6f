"""Tokens of sessions: JWT with HMAC-SHA-256 (RFC 7515, 7519) by joserfc."""

import base64
import hmac
from hashlib import sha256

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from msgspec import Struct

from application.ports.sessions import SessionTokens, TokenClaims
from domain.identifiers import UserId
from domain.secret import Secret

_ALGORITHM = "HS256"
_ISSUER = "thinkwatch"
_ACCESS, _REFRESH = "thinkwatch console", "thinkwatch console refresh"
_LONGEST = 2_000


class _Claims(Struct):
    """Every claim that is needed, with its type."""

    iss: str
    aud: str
    sid: str
    gen: int
    sub: str = ""
    exp: int | None = None


class JwtSessionTokens(SessionTokens):
    """All three kinds come from one secret; audiences and purposes keep them apart."""

    def __init__(self, secret: Secret) -> None:
        """`secret` is `JWT_SECRET`; whoever has it can make tokens, though no sessions."""
        raw = secret.reveal().encode()
        self._key = OctKey.import_key(raw)
        self._csrf_key = hmac.digest(raw, b"thinkwatch console csrf", sha256)

    def access(self, claims: TokenClaims, *, now_ms: int, expires_at_ms: int) -> Secret:
        """Return a JWT for `Authorization` or the access cookie."""
        return self._signed(
            {
                "iss": _ISSUER,
                "aud": _ACCESS,
                "sub": claims.user_id or "",
                "sid": claims.session_id,
                "gen": claims.generation,
                "iat": now_ms // 1000,
                "exp": expires_at_ms // 1000,
            }
        )

    def read_access(self, token: Secret, now_ms: int) -> TokenClaims | None:
        """Check signature, algorithm, issuer and audience, and look at the expiry."""
        read = self._read(token, _ACCESS)
        if read is None or read.exp is None:
            return None
        return TokenClaims(
            session_id=read.sid,
            generation=read.gen,
            user_id=UserId(read.sub),
            expired=now_ms >= read.exp * 1000,
        )

    def refresh(self, claims: TokenClaims, nonce: bytes) -> Secret:
        """Return a JWT for the refresh cookie; when it expires is for the session to say."""
        return self._signed(
            {
                "iss": _ISSUER,
                "aud": _REFRESH,
                "sid": claims.session_id,
                "gen": claims.generation,
                "jti": base64.urlsafe_b64encode(nonce).decode().rstrip("="),
            }
        )

    def read_refresh(self, token: Secret) -> TokenClaims | None:
        """Check signature, algorithm, issuer and audience."""
        read = self._read(token, _REFRESH)
        return read and TokenClaims(session_id=read.sid, generation=read.gen)

    def csrf(self, claims: TokenClaims) -> Secret:
        """Return an HMAC over session and generation."""
        content = f"{claims.session_id} {claims.generation}".encode()
        digest = hmac.digest(self._csrf_key, content, sha256)
        return Secret(base64.urlsafe_b64encode(digest).decode().rstrip("="))

    def is_csrf(self, token: Secret, claims: TokenClaims) -> bool:
        """Compare in constant time."""
        return token == self.csrf(claims)

    def _signed(self, claims: dict[str, object]) -> Secret:
        return Secret(jwt.encode({"alg": _ALGORITHM}, claims, self._key, algorithms=[_ALGORITHM]))

    def _read(self, token: Secret, audience: str) -> _Claims | None:
        text = token.reveal()
        if len(text) > _LONGEST or not text.isascii():
            return None
        try:
            found = jwt.decode(text, self._key, algorithms=[_ALGORITHM])
            claims = msgspec.convert(found.claims, _Claims)
        except (JoseError, msgspec.ValidationError, ValueError, TypeError, KeyError):
            return None
        return claims if (claims.iss, claims.aud) == (_ISSUER, audience) else None
