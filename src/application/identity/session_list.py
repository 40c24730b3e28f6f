"""Which sessions there are, and their end: one's own, and those of others."""

from datetime import datetime

from msgspec import Struct

from application.identity.passwords import signed_in
from application.identity.rights import read_gateway_access, read_rights, require_no_more_than
from application.identity.sessions import session_target
from application.instants import instant
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from application.resources import Page, check_page, page_of
from domain.access.accounts import User
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Target
from domain.access.session import Session
from domain.errors import NotFound
from domain.records.audit import AuditTarget

_MISSING = "There is no such session."


class SessionView(Struct, frozen=True, kw_only=True):
    """A session as lists show it; `current` is the one that asks."""

    id: str
    user_id: str
    email: str
    method: str
    ip: str
    user_agent: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    second_factor: bool
    current: bool


class SessionPage(Page[SessionView], frozen=True):
    """Some sessions, oldest first; `next_cursor` is null on the last page."""


class SessionList:
    """Only sessions that are not over are shown."""

    def __init__(self, uow: UnitOfWork, clock: Clock) -> None:
        """Take the ports."""
        self._uow = uow
        self._clock = clock

    async def own(self, by: Actor) -> tuple[SessionView, ...]:
        """Return the sessions of whoever acts. Raises `SessionRequired`."""
        user_id = signed_in(by)
        async with self._uow.begin() as tx:
            user = await tx.users.find(user_id)
            found = await tx.sessions.of_user(user_id)
        now_ms = self._clock.now_ms()
        return tuple(
            _view(each, user, by) for each in found if user is not None and not each.is_over(now_ms)
        )

    async def end_own(self, by: Actor, session_id: str) -> None:
        """End one of one's own sessions.

        Raises:
            SessionRequired
            NotFound: it is not there, or not one's own.
        """
        user_id = signed_in(by)
        async with self._uow.begin() as tx:
            session = await tx.sessions.find(session_id)
            if session is None or session.user_id != user_id:
                raise NotFound(_MISSING)
            await tx.sessions.remove(session_id)
            tx.audit.record(
                by, "session.end", AuditTarget(kind="session", id=session_id, name=by.name)
            )
            await tx.commit()

    async def end_own_others(self, by: Actor) -> int:
        """End all of one's own sessions but this one; return how many. Raises `SessionRequired`."""
        user_id = signed_in(by)
        async with self._uow.begin() as tx:
            ended = await tx.sessions.remove_of_user(user_id, except_id=by.session_id)
            if ended:
                target = AuditTarget(kind="user", id=user_id, name=by.name)
                tx.audit.record(by, "session.end_others", target, after={"ended": ended})
                await tx.commit()
        return ended

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None, user_id: str | None = None
    ) -> SessionPage:
        """Return the sessions within reach, oldest first.

        Raises:
            PermissionDenied: none is within reach.
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        reach = by.rights.reach(Permission.SESSIONS_READ)
        if reach.nothing:
            by.require(Permission.SESSIONS_READ)
        now_ms = self._clock.now_ms()
        async with self._uow.begin() as tx:
            users = {user.id: user for user in await tx.users.all()}
            found = [
                each
                for each in await tx.sessions.all()
                if user_id in (None, each.user_id)
                and (user := users.get(each.user_id)) is not None
                and reach.covers(_target_of(user))
                and not each.is_over(now_ms)
            ]
        page = page_of(
            found,
            limit=limit,
            cursor=cursor,
            key=lambda each: each.id,
            view=lambda each: _view(each, users[each.user_id], by),
        )
        return SessionPage(page.items, page.next_cursor, page.total)

    async def end(self, by: Actor, session_id: str) -> SessionView:
        """End somebody's session; return it as it was.

        Raises:
            NotFound: it is not there, or not within sight.
            PermissionDenied: it may be seen and not ended.
            BeyondOwnRights: it is of somebody who may do more.
        """
        async with self._uow.begin() as tx:
            session = await tx.sessions.find(session_id)
            user = await tx.users.find(session.user_id) if session is not None else None
            if session is None or user is None:
                raise NotFound(_MISSING)
            by.require(
                Permission.SESSIONS_REVOKE,
                _target_of(user),
                seen_by=Permission.SESSIONS_READ,
                missing=_MISSING,
            )
            access = await read_gateway_access(tx, user)
            await require_no_more_than(tx, by.rights, await read_rights(tx, user), access)
            await tx.sessions.remove(session_id)
            tx.audit.record(by, "session.end", session_target(session, user))
            await tx.commit()
        return _view(session, user, by)


def _target_of(user: User) -> Target:
    return Target(owner_id=user.id, team_ids=user.team_ids)


def _view(session: Session, user: User, by: Actor) -> SessionView:
    return SessionView(
        id=session.id,
        user_id=user.id,
        email=user.email,
        method=session.method.value,
        ip=session.ip,
        user_agent=session.user_agent,
        created_at=instant(session.created_at_ms),
        last_seen_at=instant(session.last_seen_at_ms),
        expires_at=instant(session.expires_at_ms),
        second_factor=session.second_factor,
        current=session.id == by.session_id,
    )
