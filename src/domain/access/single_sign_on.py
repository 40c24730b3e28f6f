"""Identity providers as configured here, and their way from a draft into use (console.md section 2).

A provider is tried before anybody depends on it: it is discovered, an administrator signs in
through it, and only then can it be activated. Whatever is changed about the connection makes all
that necessary again; rules about accounts can be changed at any time.
"""

from collections.abc import Mapping
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from domain.access.sso_failures import SsoFailure, sso_failed
from domain.access.sso_presets import BASIC_SCOPES, SsoPreset
from domain.errors import Conflict
from domain.identifiers import SsoProviderId, UserId
from domain.names import slug_fault, title_fault

ATTEMPT_LASTS_MS = 10 * 60 * 1000
"""How long a person may take at the provider: second factors included."""
_MOST_ENTRIES = 200
_LONGEST_TEXT = 500
_LONGEST_PATH = 1000


class SsoState(StrEnum):
    """Only an active provider signs people in."""

    DRAFT = "draft"
    ACTIVE = "active"
    DISABLED = "disabled"


class SsoPurpose(StrEnum):
    """What a round to the provider is for."""

    LOGIN = "login"
    TEST = "test"
    LINK = "link"


class ProviderMetadata(Struct, frozen=True, kw_only=True):
    """What the provider said about itself (OpenID Connect Discovery 1.0 section 3).

    Attributes:
        auth_methods: how a client may authenticate at the token endpoint.
        sends_issuer: answers of the authorization endpoint carry `iss` (RFC 9207).
        discovered_at_ms: when.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    auth_methods: tuple[str, ...] = ("client_secret_basic",)
    sends_issuer: bool = False
    discovered_at_ms: int = 0


class SsoProvider(Struct, frozen=True, kw_only=True):
    """An identity provider.

    Attributes:
        name: unique; part of addresses.
        sealed_client_secret: an envelope of the `SecretCipher`; None: a public client.
        allowed_domains: of verified addresses, lower case; empty: any.
        group_claim: None: groups are not asked for.
        group_roles, group_teams: from a group to the name of a role or team.
        default_role: for those without a group that gives one; None: they are refused.
        provisions: whoever is unknown gets an account.
        link_by_email: whoever has an account with the same verified address gets into it.
        ends_session: signing out here signs out at the provider too.
        connection: grows with each change of issuer, client id or secret.
        metadata, tested_at_ms: of the present connection.
        revision: set by the store: 1 at first, one more with every update.
    """

    id: SsoProviderId
    name: str
    display_name: str
    preset: SsoPreset
    issuer: str
    client_id: str
    sealed_client_secret: str | None = None
    scopes: tuple[str, ...] = BASIC_SCOPES
    allowed_domains: frozenset[str] = frozenset()
    group_claim: str | None = None
    group_roles: Mapping[str, str] = field(default_factory=dict[str, str])
    group_teams: Mapping[str, str] = field(default_factory=dict[str, str])
    default_role: str | None = None
    provisions: bool = False
    link_by_email: bool = False
    ends_session: bool = False
    state: SsoState = SsoState.DRAFT
    connection: int = 1
    metadata: ProviderMetadata | None = None
    tested_at_ms: int | None = None
    revision: int = 1
    created_at_ms: int

    @property
    def roles(self) -> frozenset[str]:
        """Every role the provider can give."""
        default = () if self.default_role is None else (self.default_role,)
        return frozenset((*self.group_roles.values(), *default))


class SsoIdentity(Struct, frozen=True, kw_only=True):
    """Who a user is at a provider. The issuer is kept: a subject means nothing without it."""

    provider_id: SsoProviderId
    issuer: str
    subject: str
    user_id: UserId
    linked_at_ms: int


class SsoAttempt(Struct, frozen=True, kw_only=True):
    """A round to the provider that has begun and not ended; it can be taken up once.

    Attributes:
        state_hash, binding_hash: SHA-256 of what the address, and the browser's cookie, carry.
        sealed_verifier: the PKCE verifier (RFC 7636), sealed.
        connection: of the provider when it began.
        return_path: where to go afterwards, on this server.
        actor_id: who tests or links; None for a sign-in.
    """

    state_hash: bytes
    binding_hash: bytes
    nonce: str
    sealed_verifier: str
    provider_id: SsoProviderId
    connection: int
    purpose: SsoPurpose
    redirect_uri: str
    return_path: str
    actor_id: UserId | None = None
    expires_at_ms: int


def provider_faults(provider: SsoProvider) -> list[tuple[str, str]]:
    """Return field and fault of everything that cannot be stored; empty when all is well."""
    checks = (
        ("name", slug_fault(provider.name)),
        ("display_name", title_fault(provider.display_name)),
        ("issuer", issuer_fault(provider.issuer)),
        ("client_id", _text_fault(provider.client_id)),
        ("scopes", _scopes_fault(provider.scopes)),
        ("allowed_domains", _domains_fault(provider.allowed_domains)),
        ("group_claim", _text_fault(provider.group_claim)),
        ("group_roles", _mapping_fault(provider.group_roles)),
        ("group_teams", _mapping_fault(provider.group_teams)),
        ("default_role", _text_fault(provider.default_role)),
    )
    faults = [(field, fault) for field, fault in checks if fault is not None]
    if provider.group_claim is None and (provider.group_roles or provider.group_teams):
        faults.append(("group_claim", "is needed to map groups"))
    return faults


def issuer_fault(issuer: str) -> str | None:
    """Tell what is wrong with an issuer (OpenID Connect Core 1.2), or None."""
    if len(issuer) > _LONGEST_TEXT or not issuer.isprintable() or " " in issuer:
        return f"must be a URL of at most {_LONGEST_TEXT} characters"
    try:
        parts = urlsplit(issuer)
        _ = parts.port
    except ValueError:
        return "must be a URL"
    if not parts.hostname or "@" in parts.netloc:
        return "must be a URL with a host and without credentials"
    if parts.query or parts.fragment or issuer[-1] in "?#":
        return "must have neither query nor fragment"
    return None if is_secure(issuer) else "must begin with https://"


def is_secure(url: str, *, loopback: bool = True) -> bool:
    """Tell whether a URL is https, or, with `loopback`, plain http that stays on this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme == "https":
        return bool(host)
    return parts.scheme == "http" and loopback and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def local_path(text: str) -> str:
    """Return a path on this server, or `/` for anything that a browser may take for another one."""
    safe = (
        text.startswith("/")
        and not text.startswith("//")
        and "\\" not in text
        and len(text) <= _LONGEST_PATH
        and text.isprintable()
        and " " not in text
    )
    return text if safe else "/"


def edited(stored: SsoProvider, changed: SsoProvider) -> SsoProvider:
    """Return `changed` with what the lifecycle owns taken from `stored`.

    Another connection has to be discovered and tested again, and is out of use until then.
    """
    kept = replace(
        changed,
        id=stored.id,
        state=stored.state,
        connection=stored.connection,
        metadata=stored.metadata,
        tested_at_ms=stored.tested_at_ms,
        revision=stored.revision,
        created_at_ms=stored.created_at_ms,
    )
    if _connection(kept) == _connection(stored):
        return kept
    return replace(
        kept,
        state=SsoState.DRAFT,
        connection=stored.connection + 1,
        metadata=None,
        tested_at_ms=None,
    )


def _connection(provider: SsoProvider) -> tuple[str, str, str | None]:
    return provider.issuer, provider.client_id, provider.sealed_client_secret


def discovered(provider: SsoProvider, metadata: ProviderMetadata) -> SsoProvider:
    """Return the provider with what it says about itself now.

    It stays tested: the issuer is the same, and only it can have said so.
    """
    return replace(provider, metadata=metadata)


def proven(provider: SsoProvider, *, now_ms: int) -> SsoProvider:
    """Return the provider after somebody has signed in through it for a test."""
    return replace(provider, tested_at_ms=now_ms)


def activated(provider: SsoProvider) -> SsoProvider:
    """Return the provider in use.

    Raises:
        Conflict: the present connection was not discovered, or not tested.
    """
    if provider.metadata is None:
        raise Conflict("Discover the identity provider before it is activated.")
    if provider.tested_at_ms is None:
        raise Conflict("Test the identity provider with a sign-in before it is activated.")
    return replace(provider, state=SsoState.ACTIVE)


def disabled(provider: SsoProvider) -> SsoProvider:
    """Return the provider out of use; a draft stays a draft."""
    if provider.state is SsoState.DRAFT:
        return provider
    return replace(provider, state=SsoState.DISABLED)


def usable(provider: SsoProvider, purpose: SsoPurpose) -> ProviderMetadata:
    """Return where to go for this purpose.

    Raises:
        SingleSignOnFailed: the provider is not in use, or not discovered.
    """
    if purpose is not SsoPurpose.TEST and provider.state is not SsoState.ACTIVE:
        raise sso_failed(SsoFailure.PROVIDER_INACTIVE, provider.name)
    if provider.metadata is None:
        raise sso_failed(SsoFailure.NOT_DISCOVERED, provider.name)
    return provider.metadata


def check_taken_up(
    attempt: SsoAttempt,
    provider: SsoProvider | None,
    *,
    binding_hash: bytes,
    actor_id: UserId | None,
    now_ms: int,
) -> SsoProvider:
    """Return the provider of an attempt that is taken up by the one who began it.

    Raises:
        SingleSignOnFailed: it is over, another browser or user has it, or the provider changed.
    """
    if attempt.binding_hash != binding_hash:
        raise sso_failed(SsoFailure.OTHER_BROWSER)
    if now_ms >= attempt.expires_at_ms:
        raise sso_failed(SsoFailure.ATTEMPT_EXPIRED)
    if attempt.purpose is not SsoPurpose.LOGIN and attempt.actor_id != actor_id:
        raise sso_failed(SsoFailure.OTHER_USER)
    if provider is None:
        raise sso_failed(SsoFailure.PROVIDER_INACTIVE)
    if provider.connection != attempt.connection:
        raise sso_failed(SsoFailure.CONFIGURATION_CHANGED, provider.name)
    usable(provider, attempt.purpose)
    return provider


def check_answering_issuer(metadata: ProviderMetadata, issuer: str | None) -> None:
    """Refuse an answer of the authorization endpoint that another provider gave (RFC 9207).

    Raises:
        SingleSignOnFailed: `issuer` is another one, or is missing though always sent.
    """
    if issuer is None and not metadata.sends_issuer:
        return
    if issuer != metadata.issuer:
        raise sso_failed(SsoFailure.WRONG_ISSUER, f"the answer came from '{issuer}'")


def _text_fault(text: str | None) -> str | None:
    if text is None or (0 < len(text) <= _LONGEST_TEXT and text.isprintable()):
        return None if text is None or text == text.strip() else "must not have spaces around it"
    return f"must be 1 to {_LONGEST_TEXT} printable characters"


def _scopes_fault(scopes: tuple[str, ...]) -> str | None:
    if "openid" not in scopes:
        return "must contain 'openid'"
    if len(scopes) > _MOST_ENTRIES or any(not _is_scope(each) for each in scopes):
        return "must be names without spaces or quotes (RFC 6749 section 3.3)"
    return None


def _is_scope(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TEXT and all("!" <= c <= "~" and c not in '"\\' for c in text)


def _domains_fault(domains: frozenset[str]) -> str | None:
    for domain in domains:
        if not domain or domain != domain.strip().lower() or "@" in domain or " " in domain:
            return "must be domains in lower case, e.g. 'example.com'"
    return f"must be at most {_MOST_ENTRIES}" if len(domains) > _MOST_ENTRIES else None


def _mapping_fault(mapping: Mapping[str, str]) -> str | None:
    if len(mapping) > _MOST_ENTRIES:
        return f"must have at most {_MOST_ENTRIES} entries"
    texts = (*mapping.keys(), *mapping.values())
    return next((fault for text in texts if (fault := _text_fault(text)) is not None), None)
