"""The keys with which identity providers sign, fetched when needed and kept for a while."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key
from msgspec import Struct

from adapters.identity.provider_http import ProviderHttp
from application.ports.clock import Clock
from domain.access.sso_claims import Claims
from domain.access.sso_failures import SsoFailure, sso_failed

# Signatures by a private key only: a client secret or a public key must never verify a token.
ALGORITHMS: Mapping[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), RSAKey),
    **dict.fromkeys(("ES256", "ES384", "ES512"), ECKey),
    **dict.fromkeys(("EdDSA", "Ed25519"), OKPKey),
}
KEPT_S = 3600.0
REFRESHED_AFTER_S = 30.0
"""An unknown key id makes the keys be fetched again, but not sooner than this after the last time."""
_MOST_PROVIDERS = 64
_MOST_KEYS = 100
_SHORTEST_MODULUS = 342  # base64url characters of 2048 bits (NIST SP 800-131A)


class _Held(Struct, frozen=True):
    keys: tuple[Key, ...]
    fetched_at: float


class SigningKeys:
    """Public keys by the address of their set."""

    def __init__(self, http: ProviderHttp, clock: Clock) -> None:
        """Nothing is fetched yet."""
        self._http = http
        self._clock = clock
        self._held: OrderedDict[str, _Held] = OrderedDict()

    async def find(self, jwks_uri: str, *, kid: str | None, algorithm: str) -> Key:
        """Return the key that a token names, or the only one that suits it when it names none.

        Raises:
            SingleSignOnFailed: there is no such key, also after asking again.
        """
        held = self._held.get(jwks_uri)
        now = self._clock.monotonic()
        if held is None or now - held.fetched_at >= KEPT_S:
            held = await self._fetch(jwks_uri)
        key = _suiting(held, kid, algorithm)
        if key is None and now - held.fetched_at >= REFRESHED_AFTER_S:
            key = _suiting(await self._fetch(jwks_uri), kid, algorithm)
        if key is None:
            raise sso_failed(SsoFailure.UNKNOWN_KEY, f"no key '{kid}' for {algorithm}")
        return key

    async def _fetch(self, jwks_uri: str) -> _Held:
        found = (await self._http.get(jwks_uri)).get("keys")
        if not isinstance(found, list):
            raise sso_failed(SsoFailure.INVALID_ANSWER, f"{jwks_uri} has no keys")
        entries = cast("list[object]", found)[:_MOST_KEYS]
        keys = tuple(key for entry in entries if (key := _read(entry)) is not None)
        held = _Held(keys, self._clock.monotonic())
        self._held[jwks_uri] = held
        self._held.move_to_end(jwks_uri)
        while len(self._held) > _MOST_PROVIDERS:
            self._held.popitem(last=False)
        return held


def _read(entry: object) -> Key | None:
    """Return a public key for signatures; None for anything else that a set may hold."""
    if not isinstance(entry, dict):
        return None
    fields = cast("Claims", entry)
    modulus = fields.get("n")
    if fields.get("kty") == "RSA" and len(str(modulus)) < _SHORTEST_MODULUS:
        return None
    if fields.get("kty") not in {"RSA", "EC", "OKP"} or fields.get("use", "sig") != "sig":
        return None
    try:
        return import_key(cast("dict[str, str | list[str]]", dict(fields)))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _suiting(held: _Held, kid: str | None, algorithm: str) -> Key | None:
    kind = ALGORITHMS[algorithm]
    suiting = [
        key
        for key in held.keys
        if isinstance(key, kind)
        and (kid is None or key.kid == kid)
        and key.get("alg") in {None, algorithm, _ALIASES.get(algorithm)}
    ]
    # Without an id it must be clear which one is meant (OpenID Connect Core 10.1).
    return suiting[0] if len(suiting) == 1 or (suiting and kid is not None) else None


_ALIASES = {"EdDSA": "Ed25519", "Ed25519": "EdDSA"}  # RFC 9864
