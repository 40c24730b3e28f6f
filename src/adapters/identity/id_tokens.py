"""Verification of ID tokens (OpenID Connect Core 1.0 section 3.1.3.7)."""

import math
from collections.abc import Mapping
from typing import cast

import msgspec
from authlib.oidc.core import CodeIDToken
from joserfc import jws
from joserfc.errors import (
    ClaimError,
    ExpiredTokenError,
    JoseError,
    UnsupportedAlgorithmError,
)
from joserfc.jws import (
    JWSAlgModel,  # pyright: ignore[reportPrivateImportUsage]
    JWSRegistry,
)
from msgspec import Struct

from adapters.identity.signing_keys import ALGORITHMS, SigningKeys
from domain.access.sso_claims import LONGEST_SUBJECT, Claims
from domain.access.sso_failures import SsoFailure, sso_failed

LEEWAY_S = 60
"""How far the clocks of provider and gateway may be apart."""
_LARGEST_TOKEN = 128 * 1024
_REASONS = {
    "iss": SsoFailure.WRONG_ISSUER,
    "aud": SsoFailure.WRONG_AUDIENCE,
    "azp": SsoFailure.WRONG_AUTHORIZED_PARTY,
    "nonce": SsoFailure.WRONG_NONCE,
    "iat": SsoFailure.TOKEN_FROM_FUTURE,
    "nbf": SsoFailure.TOKEN_FROM_FUTURE,
    "at_hash": SsoFailure.WRONG_ACCESS_TOKEN,
}


class Expected(Struct, frozen=True, kw_only=True):
    """What a token must say to be meant for us, now; `access_token` is the one it came with."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str | None
    jwks_uri: str
    now_s: int


class _Claims(Struct):
    """The claims that decide, with their types: everything else is only read."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    nonce: str | None = None
    azp: str | None = None
    at_hash: str | None = None
    nbf: int | float | None = None


class _Algorithms(JWSRegistry):
    """Only ours, whatever the key or the token says."""

    max_header_length = 16 * 1024  # tokens may carry their certificates
    max_payload_length = _LARGEST_TOKEN

    def get_alg(self, name: str) -> JWSAlgModel:
        """Return the algorithm, without the library's warning about the older name of Ed25519."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(f"'{name}' is not allowed")
        return self.algorithms[name]


# RFC 7515 section 4: header parameters that are not understood are ignored, critical ones refused.
_registry = _Algorithms(strict_check_header=False)


async def verify(token: str, expected: Expected, keys: SigningKeys) -> tuple[str, Claims]:
    """Return the subject and all claims of a token that is genuine and meant for us, now.

    Raises:
        SingleSignOnFailed: it is not; the reason says which rule it breaks.
    """
    algorithm, payload = await _authentic(token, expected.jwks_uri, keys)
    try:
        claims = msgspec.json.decode(payload, type=dict[str, object])
        typed = msgspec.convert(claims, _Claims)
    except (ValueError, RecursionError) as error:
        raise sso_failed(SsoFailure.INVALID_TOKEN, str(error)) from None
    if not 0 < len(typed.sub) <= LONGEST_SUBJECT or not typed.sub.isprintable():
        raise sso_failed(SsoFailure.INVALID_TOKEN, "no usable subject")
    if not all(math.isfinite(each) for each in (typed.exp, typed.iat)):
        raise sso_failed(SsoFailure.INVALID_TOKEN, "a time is not a number")
    _check(claims, algorithm, expected)
    return typed.sub, claims


async def _authentic(token: str, jwks_uri: str, keys: SigningKeys) -> tuple[str, bytes]:
    """Return the algorithm and the payload of a token whose signature is the provider's."""
    try:
        signed = jws.extract_compact(token.encode("ascii"), registry=_registry)
        header = cast("Claims", signed.headers())
        algorithm, kid = header["alg"], header.get("kid")
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise sso_failed(SsoFailure.INVALID_TOKEN, str(error)) from None
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise sso_failed(SsoFailure.ALGORITHM_NOT_ALLOWED, f"'{algorithm}'")
    if kid is not None and not isinstance(kid, str):
        raise sso_failed(SsoFailure.INVALID_TOKEN, "the key id is not text")
    key = await keys.find(jwks_uri, kid=kid, algorithm=algorithm)
    try:
        genuine = jws.validate_compact(signed, key, registry=_registry)
    except (JoseError, ValueError, TypeError) as error:
        raise sso_failed(SsoFailure.BAD_SIGNATURE, str(error)) from None
    if not genuine:
        raise sso_failed(SsoFailure.BAD_SIGNATURE, f"key '{kid}'")
    return algorithm, signed.payload


def _check(claims: Mapping[str, object], algorithm: str, expected: Expected) -> None:
    known = CodeIDToken(
        dict(claims),
        # Authlib hashes for `at_hash` by the older name of the algorithm.
        {"alg": "EdDSA" if algorithm == "Ed25519" else algorithm},
        {
            "iss": {"essential": True, "value": expected.issuer},
            "aud": {"essential": True, "value": expected.client_id},
        },
        {
            "nonce": expected.nonce,
            "client_id": expected.client_id,
            "access_token": expected.access_token,
        },
    )
    try:
        known.validate(now=expected.now_s, leeway=LEEWAY_S)
    except ExpiredTokenError:
        raise sso_failed(SsoFailure.TOKEN_EXPIRED) from None
    except ClaimError as error:
        reason = _REASONS.get(error.claim, SsoFailure.INVALID_TOKEN)
        raise sso_failed(reason, str(error)) from None
    except (JoseError, ValueError, TypeError, OverflowError) as error:
        raise sso_failed(SsoFailure.INVALID_TOKEN, str(error)) from None
