"""`/api/auth`: sign in, refresh, sign out."""

from datetime import datetime

from litestar import post
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody
from litestar.response import Response
from msgspec import Struct

from application.identity.sessions import SessionGrant
from application.identity.sign_in import Credentials
from application.identity.sso_sign_in import SsoSignIn
from application.instants import instant
from domain.access.refusals import SessionEnded
from domain.access.session import Restriction
from domain.secret import Secret
from entrypoints.asgi import AnyRequest
from entrypoints.console.answers import answer
from entrypoints.console.cookies import no_cookies, read_cookies, session_cookies
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.security import OPEN_WHILE, PUBLIC, By, From
from entrypoints.console.services import IdentityServices

ALWAYS = frozenset(Restriction)
"""For handlers that are open under every restriction."""


class SignInForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What somebody shows; a code where the account has a second factor."""

    email: str
    password: str
    totp_code: str | None = None
    recovery_code: str | None = None


class SessionTokensView(Struct, frozen=True, kw_only=True):
    """The tokens of a session. Browsers have them as cookies too.

    `access_token` opens the API as `Authorization: Bearer` until `expires_at`; `csrf_token` goes
    into `X-CSRF-Token` of every change that is authenticated by cookies.
    """

    session_id: str
    access_token: str
    token_type: str
    expires_at: datetime
    csrf_token: str
    session_expires_at: datetime


class SignedOut(Struct, frozen=True):
    """The session has ended.

    `logout_url` is where the browser ends its session at the identity provider; null: there is
    none, or it stays.
    """

    signed_out: bool = True
    logout_url: str | None = None


def auth_routes(identity: IdentityServices, sso: SsoSignIn) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    def granted(request: AnyRequest, grant: SessionGrant) -> Response[SessionTokensView]:
        https, now_ms = identity.edge.is_https(request.scope), identity.clock.now_ms()
        reply = answer(tokens_view(grant))
        reply.cookies = session_cookies(grant, https=https, now_ms=now_ms)
        return reply

    @post(
        "/api/auth/login",
        operation_id="sign_in",
        tags=["auth"],
        status_code=200,
        opt={PUBLIC: True},
        security=[{}],
    )
    async def sign_in(
        request: AnyRequest, origin: From, data: JSONBody[SignInForm]
    ) -> Response[SessionTokensView]:
        """Begin a session.

        401 with the code `totp_required` when the password is right and a code is needed; 429 with
        `Retry-After` after too many failures.
        """
        shown = Credentials(
            email=data.email,
            password=Secret(data.password),
            totp_code=None if data.totp_code is None else Secret(data.totp_code),
            recovery_code=None if data.recovery_code is None else Secret(data.recovery_code),
        )
        return granted(request, await identity.sign_in.sign_in(shown, origin))

    @post(
        "/api/auth/refresh",
        operation_id="refresh_session",
        tags=["auth"],
        status_code=200,
        opt={PUBLIC: True},
        security=[{"refresh": [], "csrf": []}],
    )
    async def refresh_session(request: AnyRequest, origin: From) -> Response[SessionTokensView]:
        """Exchange the refresh cookie for the tokens of the next generation; the old ones end.

        A refresh token that is used again ends the session. 409 when another tab was faster.
        """
        cookies = read_cookies(request.cookies, https=identity.edge.is_https(request.scope))
        csrf = request.headers.get("x-csrf-token")
        if cookies.refresh is None:
            raise SessionEnded("no refresh token", ordinary=True)
        grant = await identity.sessions.refresh(
            cookies.refresh, Secret(csrf) if csrf else None, origin
        )
        return granted(request, grant)

    @post(
        "/api/auth/logout",
        operation_id="sign_out",
        tags=["auth"],
        status_code=200,
        opt={OPEN_WHILE: ALWAYS, NEVER_KEPT: True},
    )
    async def sign_out(request: AnyRequest, by: By) -> Response[SignedOut]:
        """End the session."""
        home = identity.edge.own_url(request.scope, "/")
        reply = answer(SignedOut(logout_url=await sso.sign_out(by, return_to=home)))
        reply.cookies = no_cookies(https=identity.edge.is_https(request.scope))
        return reply

    return [sign_in, refresh_session, sign_out]


def tokens_view(grant: SessionGrant) -> SessionTokensView:
    """Return the tokens of a grant as clients see them."""
    return SessionTokensView(
        session_id=grant.session.id,
        access_token=grant.access.reveal(),
        token_type="Bearer",  # noqa: S106 - a word of RFC 6750
        expires_at=instant(grant.access_expires_at_ms),
        csrf_token=grant.csrf.reveal(),
        session_expires_at=instant(grant.session.expires_at_ms),
    )
