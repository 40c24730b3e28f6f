"""Tokens that are not the provider's, by what is wrong with them (RFC 8725)."""

from domain.access.sso_failures import SsoFailure
from tests.support.identity_provider import (
    Minting,
    ec_key,
    encoded,
    rsa_key,
    signed,
    signed_with_the_public_key,
    unsigned,
)

NOT_GENUINE: dict[str, tuple[Minting, SsoFailure]] = {
    "no algorithm": (unsigned, SsoFailure.ALGORITHM_NOT_ALLOWED),
    "the public key as a shared secret": (
        lambda header, claims: signed_with_the_public_key(header, claims, rsa_key()),
        SsoFailure.ALGORITHM_NOT_ALLOWED,
    ),
    "another key under a known name": (
        lambda header, claims: signed(header, claims, rsa_key("mine")),
        SsoFailure.BAD_SIGNATURE,
    ),
    "another key under its own name": (
        lambda header, claims: signed({**header, "kid": "mine"}, claims, rsa_key("mine")),
        SsoFailure.UNKNOWN_KEY,
    ),
    "the name of a key of another kind": (
        lambda header, claims: signed({**header, "kid": ec_key().kid}, claims, rsa_key()),
        SsoFailure.UNKNOWN_KEY,
    ),
    "its own key inside": (
        lambda header, claims: signed(
            {**header, "jwk": rsa_key("mine").as_dict(private=False)}, claims, rsa_key("mine")
        ),
        SsoFailure.BAD_SIGNATURE,
    ),
    "an altered signature": (
        lambda header, claims: signed(header, claims, rsa_key())[:-4] + "AAAA",
        SsoFailure.BAD_SIGNATURE,
    ),
    "claims without a signature": (
        lambda header, claims: f"{encoded(header)}.{encoded(claims)}.",
        SsoFailure.BAD_SIGNATURE,
    ),
    "a critical header": (
        lambda header, claims: signed({**header, "crit": ["x"], "x": 1}, claims, rsa_key()),
        SsoFailure.BAD_SIGNATURE,
    ),
    "no token": (lambda _header, _claims: "not.a.token", SsoFailure.INVALID_TOKEN),
    "not ASCII": (lambda _header, _claims: "ünreadable", SsoFailure.INVALID_TOKEN),
    "a list as header": (lambda _h, _c: encoded(b"[]") + "..", SsoFailure.INVALID_TOKEN),
    "a deep header": (lambda _h, _c: encoded(b"[" * 9000) + "..", SsoFailure.INVALID_TOKEN),
}
