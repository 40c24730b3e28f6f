"""Invitations: a user who does not exist yet, for whoever has the token."""

from datetime import datetime

from msgspec import Struct

from application.console.people.changing import changing, known_teams, require_role
from application.console.people.user_views import TeamRef, UserView, user_view
from application.console.people.users import (
    address_of,
    audited,
    display_name_of,
    require_creation,
)
from application.identity.passwords import LocalPasswords
from application.identity.roster import Roster
from application.instants import instant
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.resources import Page, check_page, page_of
from domain.access.accounts import Role, User
from domain.access.actor import Actor, ActorKind, Origin
from domain.access.invites import (
    LIFETIME_MS,
    TOKEN_BYTES,
    Invite,
    invite_token,
    invite_token_hash,
)
from domain.access.permissions import Permission
from domain.access.rights import UNLIMITED, Rights, Target
from domain.errors import AccessDenied, Conflict, NotFound
from domain.identifiers import UserId
from domain.records.audit import AuditTarget
from domain.secret import Secret

_NO_INVITE = "There is no such invitation."


class InviteWorthless(NotFound):
    """No invitation has this token, or it ended. One text for all, so that nothing is learned."""

    code = "invite_worthless"

    def __init__(self) -> None:
        """Fixed text."""
        super().__init__("This invitation is not valid, or not any more; ask for another one.")


class InviteEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom to invite; `teams` are ids."""

    email: str
    role: str = Role.DEVELOPER.value
    teams: tuple[str, ...] = ()


class Acceptance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The token of an invitation, and the password of the new user."""

    token: str
    password: str
    display_name: str | None = None

    def __repr__(self) -> str:
        """Without the secrets."""
        return "Acceptance()"


class InviteView(Struct, frozen=True, kw_only=True):
    """An open invitation."""

    id: str
    email: str
    role: str
    teams: tuple[TeamRef, ...]
    invited_by: str | None
    created_at: datetime
    expires_at: datetime
    expired: bool


class NewInviteView(Struct, frozen=True, kw_only=True):
    """A new invitation and its token, which is shown this once: null in a repeated answer."""

    invite: InviteView
    token: str | None

    def __repr__(self) -> str:
        """Without the token."""
        return f"NewInviteView(invite={self.invite!r})"


class InviteRemoval(Struct, frozen=True, kw_only=True):
    """The invitation as it was; `deleted` is false for a dry run."""

    deleted: bool
    item: InviteView


class ManageInvites:
    """What an invitation gives is within the inviter's rights, also when it is accepted."""

    def __init__(
        self,
        uow: UnitOfWork,
        passwords: LocalPasswords,
        clock: Clock,
        ids: IdGenerator,
        randomness: Randomness,
    ) -> None:
        """Take the ports."""
        self._uow = uow
        self._passwords = passwords
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    async def page(
        self, by: Actor, *, limit: int = 50, cursor: str | None = None
    ) -> Page[InviteView]:
        """Return the invitations of users whom the actor may see, oldest first.

        Raises:
            InvalidRequest: a parameter is out of bounds; `param` names it.
        """
        check_page(limit, cursor)
        async with self._uow.begin() as tx:
            roster = await Roster.read(tx)
            invites = await tx.invites.all()
        return page_of(
            [each for each in invites if by.allows(Permission.USERS_READ, _target_of(each))],
            limit=limit,
            cursor=cursor,
            key=lambda each: each.id,
            view=lambda each: self._view(each, roster),
        )

    async def create(self, by: Actor, entry: InviteEntry) -> NewInviteView:
        """Invite somebody for seven days.

        An invitation of the same address that expired is replaced.

        Raises:
            InvalidRequest: the entry has no meaning; `param` names the member.
            PermissionDenied: not for the installation, or one of the teams.
            BeyondOwnRights: the user would hold more than the actor.
            Conflict: there is a user, or an open invitation, with this address.
        """
        require_creation(by, entry.teams)
        address, now_ms = address_of(entry.email), self._clock.now_ms()
        token = invite_token(self._randomness.token_bytes(TOKEN_BYTES))
        async with changing(self._uow, by) as change:
            require_creation(change.by, entry.teams)
            require_role(change.before, entry.role)
            invite = Invite(
                id=self._ids.new_id(),
                email=address,
                role=entry.role,
                team_ids=known_teams(change.before, entry.teams),
                token_hash=invite_token_hash(token),
                inviter_id=change.by.user_id,
                created_at_ms=now_ms,
                expires_at_ms=now_ms + LIFETIME_MS,
            )
            await _forget_expired(change.tx, address, now_ms)
            # What the invited would be is tried now, and not kept.
            user = self._invited(invite, UserId(self._ids.new_id()), None)
            await change.tx.users.add(user)
            await change.checked([user.id])
        async with changing(self._uow, by) as change:
            await _forget_expired(change.tx, address, now_ms)
            await change.tx.invites.add(invite)
            view = self._view(invite, change.before)
            await change.keep("invite.create", _audited(invite), after=view)
        return NewInviteView(invite=view, token=token.reveal())

    async def revoke(self, by: Actor, invite_id: str, *, dry_run: bool = False) -> InviteRemoval:
        """End an invitation; with `dry_run`, only show it.

        Raises:
            NotFound: there is none that the actor may see.
            PermissionDenied: not for the installation, or one of the teams.
            BeyondOwnRights: it gives a role beyond the actor's rights.
        """
        async with changing(self._uow, by) as change:
            found = [each for each in await change.tx.invites.all() if each.id == invite_id]
            if not found or not change.by.allows(Permission.USERS_READ, _target_of(found[0])):
                raise NotFound(_NO_INVITE)
            invite = found[0]
            require_creation(change.by, sorted(invite.team_ids))
            change.before.require_may_give(change.by, invite.role, None)
            view = self._view(invite, change.before)
            await change.tx.invites.remove(invite.id)
            if not dry_run:
                await change.keep("invite.revoke", _audited(invite), before=view)
        return InviteRemoval(deleted=not dry_run, item=view)

    async def accept(self, origin: Origin, acceptance: Acceptance) -> UserView:
        """Make the invited a user. Anybody may ask; the token is the proof.

        Raises:
            InviteWorthless: unknown, expired, revoked, accepted, or no longer within the rights of
                the inviter.
            InvalidRequest: the password breaks the rules.
            Conflict: there is a user with this address meanwhile.
        """
        token_hash = invite_token_hash(Secret(acceptance.token))
        async with self._uow.begin() as tx:
            await self._open(tx, token_hash)
        # Hashing is dear: only who has a token gets here.
        password = await self._passwords.new(Secret(acceptance.password))
        user_id = UserId(self._ids.new_id())
        async with self._uow.begin(exclusive=True) as tx:
            invite = await self._open(tx, token_hash)
            before = await Roster.read(tx)
            user = self._invited(invite, user_id, acceptance.display_name)
            await tx.users.add(user)
            await tx.users.set_password(user.id, password.phc)
            await tx.invites.remove(invite.id)
            after = await Roster.read(tx)
            try:
                inviter = _inviter(before, invite)
                require_creation(inviter, sorted(invite.team_ids))
                before.require_within(inviter, after, [user.id])
            except AccessDenied:
                raise InviteWorthless from None
            view = user_view(user, after)
            by = Actor(
                kind=ActorKind.USER,
                id=user.id,
                name=user.email,
                rights=Rights(user_id=user.id),
                origin=origin,
            )
            tx.audit.record(by, "invite.accept", _audited(invite))
            tx.audit.record(by, "user.create", audited(user), after=view)
            await tx.commit()
        return view

    async def _open(self, tx: Transaction, token_hash: bytes) -> Invite:
        invite = await tx.invites.by_hash(token_hash)
        if invite is None or invite.expires_at_ms <= self._clock.now_ms():
            raise InviteWorthless
        return invite

    def _invited(self, invite: Invite, user_id: UserId, display_name: str | None) -> User:
        return User(
            id=user_id,
            email=invite.email,
            role=invite.role,
            team_ids=invite.team_ids,
            display_name=display_name_of(display_name),
            created_at_ms=self._clock.now_ms(),
        )

    def _view(self, invite: Invite, roster: Roster) -> InviteView:
        inviter = roster.users.get(invite.inviter_id) if invite.inviter_id is not None else None
        return InviteView(
            id=invite.id,
            email=invite.email,
            role=invite.role,
            teams=tuple(
                TeamRef(each, roster.teams[each].name)
                for each in sorted(invite.team_ids)
                if each in roster.teams
            ),
            invited_by=inviter.email if inviter is not None else None,
            created_at=instant(invite.created_at_ms),
            expires_at=instant(invite.expires_at_ms),
            expired=invite.expires_at_ms <= self._clock.now_ms(),
        )


def _inviter(roster: Roster, invite: Invite) -> Actor:
    """Return who invited, with the rights of this moment."""
    if invite.inviter_id is None:
        return Actor(kind=ActorKind.SYSTEM, id="invite", name="invite", rights=UNLIMITED)
    return roster.present(
        Actor(
            kind=ActorKind.USER,
            id=invite.inviter_id,
            name="",
            rights=Rights(user_id=invite.inviter_id),
        )
    )


async def _forget_expired(tx: Transaction, email: str, now_ms: int) -> None:
    for each in await tx.invites.all():
        if each.email == email and each.expires_at_ms <= now_ms:
            await tx.invites.remove(each.id)
        elif each.email == email:
            raise Conflict("There is an open invitation for this address; revoke it first.")


def _target_of(invite: Invite) -> Target:
    return Target(team_ids=invite.team_ids)


def _audited(invite: Invite) -> AuditTarget:
    return AuditTarget(kind="invite", id=invite.id, name=invite.email)
