"""Refusals on their way out: each is in the audit trail before it is answered."""

from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from application.identity.denials import Denials
from domain.access.actor import Actor, Origin, nobody
from domain.access.refusals import (
    CsrfRefused,
    SessionEnded,
    SignInFailed,
    TokenRefused,
    TooManyAttempts,
    TotpRequired,
)
from domain.errors import AuthenticationFailed, DomainError, SingleSignOnFailed, TokenRequired
from domain.records.audit import AuditOutcome, AuditTarget
from entrypoints.console.problems import REFUSED
from entrypoints.console.security import ACTOR, ORIGIN

_LONGEST_PATH = 300


class RecordDenials:
    """Around the app: looks at what the exception handler has left, and records it.

    Not recorded: who showed nothing, an access token that has just expired, a password that was
    right and needs a code, and what the use case has recorded itself.
    """

    def __init__(self, app: ASGIApp, denials: Denials) -> None:
        """`denials` is bounded by itself."""
        self._app = app
        self._denials = denials

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused: list[DomainError] = []
        scope["state"][REFUSED] = refused

        async def send_when_recorded(message: Message) -> None:
            if refused and message["type"] == "http.response.start":
                await self._record(cast("HTTPScope", scope), refused.pop())
            await send(message)

        await self._app(scope, receive, send_when_recorded)

    async def _record(self, scope: HTTPScope, error: DomainError) -> None:
        if _is_ordinary(error):
            return
        state = scope["state"]
        actor: Actor = state.get(ACTOR) or nobody(state.get(ORIGIN) or Origin())
        route = AuditTarget(kind="route", id=scope["method"], name=scope["path"][:_LONGEST_PATH])
        action, target = "request.refuse", route
        match error:
            case SignInFailed() | TooManyAttempts() if error.account is not None:
                action, target = "session.create", AuditTarget(kind="user", name=error.account)
            case SessionEnded() | CsrfRefused() if error.session_id is not None:
                action = "session.use"
                target = AuditTarget(kind="session", id=error.session_id, name=route.name)
            case _:
                pass
        failed = isinstance(error, AuthenticationFailed | TokenRequired | TooManyAttempts)
        outcome = AuditOutcome.FAILED if failed else AuditOutcome.DENIED
        reason = error.reason if isinstance(error, SessionEnded | TokenRefused) else error.message
        await self._denials.record(actor, action, target, outcome, f"{error.code}: {reason}")


def _is_ordinary(error: DomainError) -> bool:
    if isinstance(error, SessionEnded):
        return error.ordinary
    if isinstance(error, SingleSignOnFailed):
        return error.recorded
    if isinstance(error, TokenRequired):
        return not isinstance(error, TokenRefused)
    return isinstance(error, TotpRequired)
