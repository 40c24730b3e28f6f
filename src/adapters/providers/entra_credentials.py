"""Access tokens of Microsoft Entra ID, by the client credentials grant of OAuth 2.0.

https://learn.microsoft.com/en-us/entra/identity-platform/v2-oauth2-client-creds-grant-flow
"""

import asyncio
import re
from collections.abc import Awaitable, Mapping
from typing import cast

import httpx
import msgspec
import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.client import OAuth2Client
from msgspec import Struct, structs

from adapters.providers.credentials import Credential
from application.ports.clock import Clock
from application.ports.upstream import (
    Headers,
    UpstreamRequest,
    UpstreamTimeouts,
    UpstreamTransport,
)
from domain.errors import (
    UpstreamCredentialRejected,
    UpstreamFailure,
    UpstreamUnavailable,
)

AUTHORITY = "https://login.microsoftonline.com"
SCOPE = "https://cognitiveservices.azure.com/.default"
REFRESH_BEFORE_S = 300.0
"""A token that expires sooner is renewed; meanwhile it is used."""
UNUSABLE_BEFORE_S = 30.0
"""A token that expires sooner is not used any more: a request takes a while to be judged."""
TRY_AGAIN_AFTER_S = 30.0
"""How long after a failure a token that can still be used is not renewed again."""
_SHORTEST_LIFE_S = 60.0
_TIMEOUTS = UpstreamTimeouts(connect=5.0, first_byte=10.0, idle=5.0, total=15.0)
_LARGEST_ANSWER = 64 * 1024
# RFC 6750 section 2.1
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_CODE = re.compile(r"AADSTS\d{1,10}")
# Of the error names of RFC 6749 sections 4.1.2.1 and 5.2 the one that may pass by itself.
_PASSING = "temporarily_unavailable"

log = structlog.get_logger(__name__)


class EntraClient(Struct, frozen=True, kw_only=True):
    """A registered application and its secret.

    Attributes:
        authority: URL of the cloud's identity service, without a slash at its end.
    """

    tenant_id: str
    client_id: str
    client_secret: str
    scope: str = SCOPE
    authority: str = AUTHORITY

    def __repr__(self) -> str:
        """Never the values."""
        return "EntraClient(…)"

    @property
    def token_url(self) -> str:
        """The tenant's token endpoint."""
        return f"{self.authority}/{self.tenant_id}/oauth2/v2.0/token"


class _Token(Struct):
    access_token: str
    expires_in: float


class _Held(Struct, frozen=True):
    """A token; `expires_at` is on the clock's monotonic scale."""

    value: bytes
    expires_at: float

    def lasts(self, seconds: float, now: float) -> bool:
        return self.expires_at - now > seconds


class EntraCredential(Credential):
    """Puts a token into each request; one token serves until shortly before it expires."""

    def __init__(
        self,
        client: EntraClient,
        transport: UpstreamTransport,
        clock: Clock,
        *,
        headers: Headers = (),
    ) -> None:
        """`transport` is the provider's own: its address policy, proxy and CA hold here too.

        `headers` go out beside the token.
        """
        self._headers = tuple(headers)
        self._oauth = _OAuthClient(client, transport)
        self._clock = clock
        self._held: _Held | None = None
        self._renewal = asyncio.Lock()
        self._attempts = 0
        self._failure: UpstreamFailure | None = None
        self._failed_at = 0.0

    async def authorize(self, request: UpstreamRequest) -> UpstreamRequest:
        """Append `authorization`.

        Raises:
            UpstreamCredentialRejected: Entra ID refuses the application.
            UpstreamUnavailable, UpstreamTimeout, UpstreamProtocolError: it does not answer.
        """
        held = await self._token()
        header = (b"authorization", b"Bearer " + held.value)
        return structs.replace(request, headers=(*request.headers, *self._headers, header))

    def refused(self) -> None:
        """Forget the token: permissions or the secret may have changed."""
        self._held = None

    async def _token(self) -> _Held:
        held, now = self._held, self._clock.monotonic()
        if held is not None and held.lasts(UNUSABLE_BEFORE_S, now):
            due = not held.lasts(REFRESH_BEFORE_S, now)
            failed = self._failure is not None and now - self._failed_at < TRY_AGAIN_AFTER_S
            if not due or failed or self._renewal.locked():
                return held
        seen = self._attempts
        async with self._renewal:
            if self._attempts != seen:  # somebody else asked while we waited: once is enough
                if self._failure is not None:
                    raise self._failure
                if self._held is not None:
                    return self._held
            return await self._renew()

    async def _renew(self) -> _Held:
        try:
            token = await self._oauth.new_token()
        except UpstreamFailure as failure:
            self._attempts += 1
            self._failure, self._failed_at = failure, self._clock.monotonic()
            held = self._held
            if held is not None and held.lasts(UNUSABLE_BEFORE_S, self._failed_at):
                return held
            raise
        life_s = max(token.expires_in, _SHORTEST_LIFE_S)
        held = _Held(token.access_token.encode(), self._clock.monotonic() + life_s)
        self._attempts += 1
        self._failure, self._held = None, held
        return held


class _OAuthClient(OAuth2Client):
    """Authlib's client; it writes the request and reads the answer, our transport carries them."""

    def __init__(self, client: EntraClient, transport: UpstreamTransport) -> None:
        super().__init__(
            session=None,
            client_id=client.client_id,
            client_secret=client.client_secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - a method's name
            scope=client.scope,
            token_endpoint=client.token_url,
        )
        self._transport = transport

    async def new_token(self) -> _Token:
        """Ask for a new token.

        Raises:
            UpstreamFailure: there is none.
        """
        try:
            asked = cast(
                "Awaitable[Mapping[str, object]]",
                self.fetch_token(grant_type="client_credentials"),
            )
            token = msgspec.convert(dict(await asked), _Token, strict=False)
        except OAuth2Error as error:
            raise _refusal(error) from None
        except httpx.HTTPStatusError as error:
            raise _failure(error.response.status_code) from None
        except (ValueError, TypeError):  # msgspec's errors are among them
            raise UpstreamUnavailable(
                "The identity service sent an invalid answer.", error_class="server_error"
            ) from None
        if not _TOKEN.fullmatch(token.access_token):
            raise UpstreamUnavailable(
                "The identity service sent an invalid answer.", error_class="server_error"
            )
        return token

    async def _fetch_token(
        self,
        url: str,
        body: str = "",
        headers: dict[str, str] | None = None,
        auth: ClientAuth | None = None,
        method: str = "POST",
        **kwargs: object,
    ) -> object:
        """Send what Authlib made; called by its `fetch_token`."""
        assert auth is not None
        target, given, form = cast(
            "tuple[str, dict[str, str], str]",
            auth.prepare(method, url, dict(headers or {}), body),
        )
        answer = await self._transport.send(
            UpstreamRequest(
                method=method,
                url=target,
                headers=tuple(
                    (name.lower().encode(), text.encode()) for name, text in given.items()
                ),
                body=form.encode(),
                timeouts=_TIMEOUTS,
            )
        )
        content = bytearray()
        try:
            async for chunk in answer.chunks():
                content += chunk
                if len(content) > _LARGEST_ANSWER:
                    raise ValueError("the answer is too large")
        finally:
            await answer.aclose()
        response = httpx.Response(
            answer.status, content=bytes(content), request=httpx.Request(method, target)
        )
        if not 200 <= answer.status < 300 and not _is_verdict(answer.status):
            response.raise_for_status()
        return cast("object", self.parse_response_token(response))


def _is_verdict(status: int) -> bool:
    return status in {400, 401, 403}


def _refusal(error: OAuth2Error) -> UpstreamFailure:
    """Return the failure for an error in OAuth's shape; the log gets its code, clients nothing."""
    name, description = str(error.error), str(error.description)
    code = _CODE.search(description)
    log.warning("entra_token_refused", error=name[:64], code=code[0] if code else "")
    if name == _PASSING:
        return UpstreamUnavailable(error_class="server_error")
    return UpstreamCredentialRejected()


def _failure(status: int) -> UpstreamFailure:
    if status in {400, 401, 403, 404}:  # 404: no such tenant, or no such authority
        return UpstreamCredentialRejected(status=status)
    return UpstreamUnavailable(status=status, error_class="server_error")
