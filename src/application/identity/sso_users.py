"""Accounts of people who come from an identity provider: found, linked, made, kept in step."""

from msgspec import Struct
from msgspec.structs import replace

from application.ports.unit_of_work import Transaction
from domain.access.accounts import Role, User, UserKind, UserState
from domain.access.actor import Actor
from domain.access.single_sign_on import SsoIdentity, SsoProvider
from domain.access.sso_claims import IdentityClaims
from domain.access.sso_decision import (
    Decision,
    KnownUser,
    LinkTo,
    Provision,
    SignInExisting,
    Standing,
    decide,
    decide_link,
    ranking,
)
from domain.identifiers import UserId
from domain.names import title_fault
from domain.records.audit import AuditTarget


class Settled(Struct, frozen=True, kw_only=True):
    """The account, and whether anything was changed (not yet committed)."""

    user: User
    changed: bool


async def judge(
    tx: Transaction, provider: SsoProvider, claims: IdentityClaims, actor_id: UserId | None
) -> Decision:
    """Return what to do about the person; with `actor_id` the identity is to be linked to it."""
    identity = await tx.sso_identities.find(provider.id, provider.issuer, claims.subject)
    linked: KnownUser | None = None
    if identity is not None:
        linked = await _known(tx, provider, identity.user_id)
    if actor_id is not None:
        actor = await _known(tx, provider, actor_id)
        return decide_link(provider, claims, actor=actor, linked=linked)
    same_email: KnownUser | None = None
    if claims.email is not None:
        holder = await tx.users.by_email(claims.email)
        same_email = None if holder is None else await _known(tx, provider, holder.id)
    roles = ranking(role.name for role in await tx.roles.custom())
    return decide(provider, claims, linked=linked, same_email=same_email, roles=roles)


async def settle(
    tx: Transaction,
    actor: Actor,
    provider: SsoProvider,
    claims: IdentityClaims,
    decision: SignInExisting | LinkTo | Provision,
    *,
    new_id: str,
    now_ms: int,
) -> Settled:
    """Carry out a decision in the open transaction, with a record of every change."""
    if isinstance(decision, Provision):
        user = await _provision(tx, actor, decision, UserId(new_id), now_ms)
        await _link(tx, actor, provider, claims, user, now_ms)
        return Settled(user=user, changed=True)
    user = await tx.users.find(decision.user_id)
    assert user is not None, "a decision is about somebody who is there"
    link_missing = isinstance(decision, LinkTo) and (
        await tx.sso_identities.find(provider.id, provider.issuer, claims.subject) is None
    )
    if link_missing:
        await _link(tx, actor, provider, claims, user, now_ms)
    aligned = await _aligned(tx, user, decision.standing)
    if aligned != user:
        await tx.users.update(aligned)
        tx.audit.record(actor, "user.align", _target(user), before=user, after=aligned)
    return Settled(user=aligned, changed=link_missing or aligned != user)


async def _known(tx: Transaction, provider: SsoProvider, user_id: UserId) -> KnownUser:
    """Return what counts about an account; one that is removed, or no person's, is not active."""
    user = await tx.users.find(user_id)
    usable = user is not None and user.kind is UserKind.PERSON
    links = await tx.sso_identities.of_user(user_id)
    return KnownUser(
        id=user_id,
        state=user.state if user is not None and usable else UserState.DEACTIVATED,
        linked=any(
            each.provider_id == provider.id and each.issuer == provider.issuer for each in links
        ),
    )


async def _provision(
    tx: Transaction, actor: Actor, decision: Provision, user_id: UserId, now_ms: int
) -> User:
    assert decision.standing.role is not None
    name = decision.name[:100].strip()
    user = User(
        id=user_id,
        email=decision.email,
        role=decision.standing.role,
        team_ids=frozenset(
            team.id for team in await tx.teams.all() if team.name in decision.standing.join
        ),
        display_name=name if title_fault(name) is None else None,
        created_at_ms=now_ms,
    )
    await tx.users.add(user)
    tx.audit.record(actor, "user.create", _target(user), after=user)
    return user


async def _link(
    tx: Transaction,
    actor: Actor,
    provider: SsoProvider,
    claims: IdentityClaims,
    user: User,
    now_ms: int,
) -> None:
    identity = SsoIdentity(
        provider_id=provider.id,
        issuer=provider.issuer,
        subject=claims.subject,
        user_id=user.id,
        linked_at_ms=now_ms,
    )
    await tx.sso_identities.add(identity)
    tx.audit.record(actor, "user.link", _target(user), after=identity)


async def _aligned(tx: Transaction, user: User, standing: Standing) -> User:
    """Return the user with the role and teams that the groups give."""
    teams = await tx.teams.all() if standing.join or standing.leave else ()
    joined = frozenset(team.id for team in teams if team.name in standing.join)
    left = frozenset(team.id for team in teams if team.name in standing.leave)
    role = standing.role or user.role
    if role != user.role and await _is_last_super_admin(tx, user):
        role = user.role
    return replace(user, role=role, team_ids=(user.team_ids - left) | joined)


async def _is_last_super_admin(tx: Transaction, user: User) -> bool:
    if user.role != Role.SUPER_ADMIN:
        return False
    return not any(
        each.id != user.id
        and each.role == Role.SUPER_ADMIN
        and each.kind is UserKind.PERSON
        and each.state is UserState.ACTIVE
        for each in await tx.users.all()
    )


def _target(user: User) -> AuditTarget:
    return AuditTarget(kind="user", id=user.id, name=user.email)
