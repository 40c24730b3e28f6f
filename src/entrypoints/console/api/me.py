"""`/api/me`: what people do for themselves."""

from litestar import delete, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from msgspec import Struct

from application.identity.session_list import SessionView
from application.identity.whoami import SelfView
from domain.access.session import Restriction
from domain.secret import Secret
from entrypoints.asgi import AnyRequest
from entrypoints.console.answers import answer
from entrypoints.console.api.auth import ALWAYS
from entrypoints.console.idempotency import NEVER_KEPT
from entrypoints.console.openapi import problems
from entrypoints.console.security import OPEN_WHILE, By, restriction_of
from entrypoints.console.services import IdentityServices

_WHILE_NO_FACTOR = frozenset({Restriction.TOTP})


class PasswordChange(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password of now, and the one from now on."""

    current_password: str
    new_password: str


class PasswordProof(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password of now."""

    password: str


class TotpCode(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the authenticator shows."""

    code: str


class Done(Struct, frozen=True):
    """It is done."""

    done: bool = True


class EnrolmentView(Struct, frozen=True, kw_only=True):
    """What an authenticator is set up with, shown once: by text, by link, by QR code (SVG)."""

    secret: str
    otpauth_uri: str
    qr_code: str


class RecoveryCodes(Struct, frozen=True):
    """Codes that stand in for the authenticator, each once; shown once."""

    recovery_codes: tuple[str, ...]


class OwnSessions(Struct, frozen=True):
    """The sessions of whoever asks, oldest first."""

    items: tuple[SessionView, ...]


class SessionsEnded(Struct, frozen=True):
    """How many sessions have ended."""

    ended: int


def me_routes(identity: IdentityServices) -> list[HTTPRouteHandler]:
    """Return the route handlers."""

    @get("/api/me", operation_id="get_me", tags=["me"], opt={OPEN_WHILE: ALWAYS})
    async def get_me(request: AnyRequest, by: By) -> Response[SelfView]:
        """Tell who asks, what that one may do, and what has to be done first."""
        return answer(await identity.whoami.view(by, restriction_of(request)))

    @put(
        "/api/me/password",
        operation_id="change_my_password",
        tags=["me"],
        opt={OPEN_WHILE: ALWAYS},
        responses=problems(429),
    )
    async def change_my_password(by: By, data: JSONBody[PasswordChange]) -> Response[Done]:
        """Change one's own password; one's other sessions end."""
        await identity.own_password.change(
            by, Secret(data.current_password), Secret(data.new_password)
        )
        return answer(Done())

    @post(
        "/api/me/totp",
        operation_id="begin_totp",
        tags=["me"],
        status_code=201,
        opt={OPEN_WHILE: _WHILE_NO_FACTOR, NEVER_KEPT: True},
    )
    async def begin_totp(by: By) -> Response[EnrolmentView]:
        """Make a secret for an authenticator; it protects nothing until a code was confirmed."""
        made = await identity.factors.begin(by)
        view = EnrolmentView(
            secret=made.secret.reveal(),
            otpauth_uri=made.uri.reveal(),
            qr_code=made.picture.reveal(),
        )
        return answer(view, status=201)

    @post(
        "/api/me/totp/confirm",
        operation_id="confirm_totp",
        tags=["me"],
        status_code=200,
        opt={OPEN_WHILE: _WHILE_NO_FACTOR, NEVER_KEPT: True},
        responses=problems(429),
    )
    async def confirm_totp(by: By, data: JSONBody[TotpCode]) -> Response[RecoveryCodes]:
        """Turn the second factor on with a first code; one's other sessions end."""
        codes = await identity.factors.confirm(by, Secret(data.code))
        return answer(RecoveryCodes(tuple(code.reveal() for code in codes)))

    @post(
        "/api/me/totp/disable",
        operation_id="disable_totp",
        tags=["me"],
        status_code=200,
        opt={NEVER_KEPT: True},
        responses=problems(429),
    )
    async def disable_totp(by: By, data: JSONBody[PasswordProof]) -> Response[Done]:
        """Turn the second factor off."""
        await identity.factors.disable(by, Secret(data.password))
        return answer(Done())

    @post(
        "/api/me/totp/recovery-codes",
        operation_id="renew_recovery_codes",
        tags=["me"],
        status_code=200,
        opt={NEVER_KEPT: True},
        responses=problems(429),
    )
    async def renew_recovery_codes(
        by: By, data: JSONBody[PasswordProof]
    ) -> Response[RecoveryCodes]:
        """Replace the recovery codes."""
        codes = await identity.factors.new_recovery_codes(by, Secret(data.password))
        return answer(RecoveryCodes(tuple(code.reveal() for code in codes)))

    @get("/api/me/sessions", operation_id="list_my_sessions", tags=["me"])
    async def list_my_sessions(by: By) -> Response[OwnSessions]:
        """List one's own sessions."""
        return answer(OwnSessions(await identity.session_list.own(by)))

    @delete("/api/me/sessions", operation_id="end_my_other_sessions", tags=["me"], status_code=200)
    async def end_my_other_sessions(by: By) -> Response[SessionsEnded]:
        """End one's own sessions, but for this one."""
        return answer(SessionsEnded(await identity.session_list.end_own_others(by)))

    @delete(
        "/api/me/sessions/{session_id:str}",
        operation_id="end_my_session",
        tags=["me"],
        status_code=200,
    )
    async def end_my_session(by: By, session_id: FromPath[str]) -> Response[SessionsEnded]:
        """End one of one's own sessions."""
        await identity.session_list.end_own(by, session_id)
        return answer(SessionsEnded(1))

    return [
        get_me,
        change_my_password,
        begin_totp,
        confirm_totp,
        disable_totp,
        renew_recovery_codes,
        list_my_sessions,
        end_my_other_sessions,
        end_my_session,
    ]
