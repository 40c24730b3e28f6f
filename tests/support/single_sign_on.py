"""Identity providers, identities and attempts with meaningful defaults."""

from msgspec.structs import replace

from domain.access.accounts import User
from domain.access.single_sign_on import (
    ProviderMetadata,
    SsoAttempt,
    SsoIdentity,
    SsoProvider,
    SsoPurpose,
    SsoState,
)
from domain.access.sso_presets import SsoPreset
from domain.identifiers import SsoProviderId
from tests.support.configuration import NOW_MS, new_id

ISSUER = "https://login.example.com"


def some_metadata(issuer: str = ISSUER, **more: object) -> ProviderMetadata:
    return ProviderMetadata(
        issuer=issuer,
        authorization_endpoint=f"{issuer}/authorize",
        token_endpoint=f"{issuer}/token",
        jwks_uri=f"{issuer}/keys",
        discovered_at_ms=NOW_MS,
        **more,  # pyright: ignore[reportArgumentType]
    )


def an_sso_provider(name: str = "corporate", **more: object) -> SsoProvider:
    fields: dict[str, object] = {
        "display_name": "Corporate login",
        "preset": SsoPreset.CUSTOM,
        "issuer": ISSUER,
        "client_id": "thinkwatch",
        "created_at_ms": NOW_MS,
    }
    return SsoProvider(id=SsoProviderId(new_id()), name=name, **{**fields, **more})  # pyright: ignore[reportArgumentType]


def an_active_provider(**more: object) -> SsoProvider:
    provider = an_sso_provider(**more)  # pyright: ignore[reportArgumentType]
    return replace(
        provider,
        state=SsoState.ACTIVE,
        metadata=some_metadata(provider.issuer),
        tested_at_ms=NOW_MS,
    )


def an_identity(provider: SsoProvider, user: User, subject: str = "1234") -> SsoIdentity:
    return SsoIdentity(
        provider_id=provider.id,
        issuer=provider.issuer,
        subject=subject,
        user_id=user.id,
        linked_at_ms=NOW_MS,
    )


def an_attempt(provider: SsoProvider, number: int = 1, **more: object) -> SsoAttempt:
    fields: dict[str, object] = {
        "purpose": SsoPurpose.LOGIN,
        "connection": provider.connection,
        "expires_at_ms": NOW_MS + 1000,
    }
    return SsoAttempt(
        state_hash=bytes([number]) * 32,
        binding_hash=b"b" * 32,
        nonce="a-nonce",
        sealed_verifier="v1.sealed",
        provider_id=provider.id,
        redirect_uri="https://thinkwatch.example.com/sso/callback",
        return_path="/keys",
        **{**fields, **more},  # pyright: ignore[reportArgumentType]
    )
