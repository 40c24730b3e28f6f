"""OpenID Connect on Authlib's OAuth 2 client, over our own transport."""

from collections.abc import Awaitable
from typing import cast
from urllib.parse import quote

import msgspec
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from msgspec import Struct

from adapters.identity.id_tokens import Expected, verify
from adapters.identity.provider_http import ProviderHttp
from adapters.identity.signing_keys import SigningKeys
from application.ports.clock import Clock
from application.ports.single_sign_on import (
    Authenticated,
    Authorization,
    Exchange,
    OpenIdConnect,
)
from application.ports.upstream import UpstreamTransport
from domain.access.single_sign_on import ProviderMetadata, SsoProvider, is_secure
from domain.access.sso_claims import Claims, lacks, read_claims
from domain.access.sso_failures import SsoFailure, sso_failed
from domain.secret import Secret

_WELL_KNOWN = "/.well-known/openid-configuration"
_LONGEST_HINT = 6000  # servers commonly take addresses of 8 KiB
_BASIC, _POST, _NONE = "client_secret_basic", "client_secret_post", "none"


class _Document(Struct):
    """The members of a discovery document that are used (Discovery 1.0 section 3, RFC 9207)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    response_types_supported: list[str] = msgspec.field(default_factory=lambda: ["code"])
    token_endpoint_auth_methods_supported: list[str] = msgspec.field(
        default_factory=lambda: [_BASIC]
    )
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(Struct):
    """The members of a token answer that are used (OpenID Connect Core 3.1.3.3)."""

    id_token: str | None = None
    access_token: str | None = None
    token_type: str = "Bearer"  # noqa: S105 - a kind of token


class AuthlibOpenIdConnect(OpenIdConnect):
    """Keeps the providers' signing keys; everything else is asked anew."""

    def __init__(self, transport: UpstreamTransport, clock: Clock) -> None:
        """The transport decides which addresses may be reached; its owner closes it."""
        self._http = ProviderHttp(transport)
        self._keys = SigningKeys(self._http, clock)
        self._clock = clock

    async def discover(self, issuer: str) -> ProviderMetadata:
        """See `OpenIdConnect`."""
        if not is_secure(issuer):
            raise sso_failed(SsoFailure.INSECURE_ADDRESS, issuer)
        found = await self._http.get(issuer.rstrip("/") + _WELL_KNOWN)
        try:
            document = msgspec.convert(found, _Document)
        except ValueError as error:
            raise sso_failed(SsoFailure.INVALID_ANSWER, str(error)) from None
        if document.issuer != issuer:  # Discovery 1.0 section 4.3: exactly the same
            raise sso_failed(SsoFailure.WRONG_ISSUER, f"it calls itself '{document.issuer}'")
        if "code" not in document.response_types_supported:
            raise sso_failed(SsoFailure.INVALID_ANSWER, "it has no authorization code flow")
        endpoints = (
            document.authorization_endpoint,
            document.token_endpoint,
            document.jwks_uri,
            document.userinfo_endpoint,
            document.end_session_endpoint,
        )
        # A provider on the network cannot point at plain services on this machine.
        loopback = not issuer.startswith("https://")
        for endpoint in endpoints:
            if endpoint is not None and not is_secure(endpoint, loopback=loopback):
                raise sso_failed(SsoFailure.INSECURE_ADDRESS, endpoint)
        return ProviderMetadata(
            issuer=document.issuer,
            authorization_endpoint=document.authorization_endpoint,
            token_endpoint=document.token_endpoint,
            jwks_uri=document.jwks_uri,
            userinfo_endpoint=document.userinfo_endpoint,
            end_session_endpoint=document.end_session_endpoint,
            auth_methods=tuple(document.token_endpoint_auth_methods_supported),
            sends_issuer=document.authorization_response_iss_parameter_supported,
            discovered_at_ms=self._clock.now_ms(),
        )

    def authorization_url(self, provider: SsoProvider, authorization: Authorization) -> str:
        """See `OpenIdConnect`."""
        client = OAuth2Client(
            session=None,
            client_id=provider.client_id,
            scope=" ".join(provider.scopes),
            redirect_uri=authorization.redirect_uri,
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            _metadata(provider).authorization_endpoint,
            state=authorization.state.reveal(),
            code_verifier=authorization.verifier.reveal(),
            nonce=authorization.nonce,
        )
        return url

    async def exchange(self, provider: SsoProvider, exchange: Exchange) -> Authenticated:
        """See `OpenIdConnect`."""
        metadata = _metadata(provider)
        method = _auth_method(metadata, public=exchange.client_secret is None)
        client = _TokenClient(provider.client_id, metadata, method, exchange, self._http)
        tokens = await client.tokens(exchange)
        if tokens.id_token is None:
            raise sso_failed(SsoFailure.NO_ID_TOKEN)
        expected = Expected(
            issuer=provider.issuer,
            client_id=provider.client_id,
            nonce=exchange.nonce,
            access_token=tokens.access_token,
            jwks_uri=metadata.jwks_uri,
            now_s=self._clock.now_ms() // 1000,
        )
        subject, claims = await verify(tokens.id_token, expected, self._keys)
        sources = [claims]
        wanting = lacks(claims, preset=provider.preset, group_claim=provider.group_claim)
        if wanting and metadata.userinfo_endpoint is not None and tokens.access_token is not None:
            sources.append(await self._userinfo(metadata.userinfo_endpoint, tokens, subject))
        return Authenticated(
            claims=read_claims(
                provider.issuer,
                subject,
                sources,
                preset=provider.preset,
                group_claim=provider.group_claim,
            ),
            id_token=Secret(tokens.id_token),
        )

    def end_session_url(
        self, provider: SsoProvider, *, id_token: Secret | None, return_to: str
    ) -> str | None:
        """See `OpenIdConnect`."""
        metadata = provider.metadata
        if not provider.ends_session or metadata is None or metadata.end_session_endpoint is None:
            return None
        hint = id_token.reveal() if id_token is not None else ""
        params = [("client_id", provider.client_id), ("post_logout_redirect_uri", return_to)]
        if 0 < len(hint) <= _LONGEST_HINT:
            params.append(("id_token_hint", hint))
        return add_params_to_uri(metadata.end_session_endpoint, params)

    async def _userinfo(self, url: str, tokens: _Tokens, subject: str) -> Claims:
        """Return what the endpoint says of the subject, and of nobody else (Core 5.3.2)."""
        if tokens.token_type.lower() != "bearer":
            raise sso_failed(SsoFailure.INVALID_ANSWER, f"token type '{tokens.token_type}'")
        bearer = f"Bearer {tokens.access_token}".encode()
        found = await self._http.get(url, headers=((b"authorization", bearer),))
        if found.get("sub") != subject:
            raise sso_failed(SsoFailure.WRONG_SUBJECT)
        return found


class _TokenClient(OAuth2Client):
    """Authlib's client for one exchange: it writes the request, our transport carries it."""

    def __init__(
        self,
        client_id: str,
        metadata: ProviderMetadata,
        method: str,
        exchange: Exchange,
        http: ProviderHttp,
    ) -> None:
        secret = "" if exchange.client_secret is None else exchange.client_secret.reveal()
        if method == _BASIC:  # RFC 6749 section 2.3.1 has both encoded first
            client_id, secret = quote(client_id, safe=""), quote(secret, safe="")
        super().__init__(
            session=None,
            client_id=client_id,
            client_secret=secret,
            token_endpoint_auth_method=method,
            redirect_uri=exchange.redirect_uri,
            token_endpoint=metadata.token_endpoint,
        )
        self._http = http

    async def tokens(self, exchange: Exchange) -> _Tokens:
        """Redeem the code."""
        asked = cast(
            "Awaitable[_Tokens]",
            self.fetch_token(
                grant_type="authorization_code",
                code=exchange.code.reveal(),
                redirect_uri=exchange.redirect_uri,
                code_verifier=exchange.verifier.reveal(),
            ),
        )
        return await asked

    async def _fetch_token(
        self,
        url: str,
        body: str = "",
        headers: dict[str, str] | None = None,
        auth: ClientAuth | None = None,
        method: str = "POST",
        **_: object,
    ) -> _Tokens:
        """Send what Authlib made; called by its `fetch_token`."""
        assert auth is not None
        target, given, form = cast(
            "tuple[str, dict[str, str], str]",
            auth.prepare(method, url, dict(headers or {}), body),
        )
        # Without Authlib's own `accept`: it is sent already.
        named = {name.lower(): text for name, text in given.items() if name.lower() != "accept"}
        encoded = tuple((name.encode(), text.encode()) for name, text in named.items())
        status, answer = await self._http.post(target, encoded, form.encode())
        if status != 200 or "error" in answer:
            raise _refusal(status, answer)
        try:
            return msgspec.convert(answer, _Tokens)
        except ValueError as error:
            raise sso_failed(SsoFailure.INVALID_ANSWER, str(error)) from None


def _metadata(provider: SsoProvider) -> ProviderMetadata:
    if provider.metadata is None:
        raise sso_failed(SsoFailure.NOT_DISCOVERED, provider.name)
    return provider.metadata


def _auth_method(metadata: ProviderMetadata, *, public: bool) -> str:
    if public:
        return _NONE
    for method in (_BASIC, _POST):
        if method in metadata.auth_methods:
            return method
    raise sso_failed(SsoFailure.CLIENT_AUTH_UNSUPPORTED, ", ".join(metadata.auth_methods))


def _refusal(status: int, answer: Claims) -> Exception:
    """Return the failure for an error in OAuth's shape (RFC 6749 section 5.2)."""
    error, description = str(answer.get("error", "")), str(answer.get("error_description", ""))
    reason = {
        "invalid_grant": SsoFailure.CODE_REFUSED,
        "invalid_client": SsoFailure.CLIENT_REFUSED,
        "unauthorized_client": SsoFailure.CLIENT_REFUSED,
    }.get(error, SsoFailure.PROVIDER_REFUSED)
    return sso_failed(reason, f"status {status}: {error} {description}".strip())
