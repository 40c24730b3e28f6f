"""What becomes of a person whom an identity provider vouches for.

The identity is issuer and subject. An address only ever finds an account once, when it is linked;
later sign-ins do not look at it, since addresses are given to other people.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.access.accounts import Role, UserState
from domain.access.single_sign_on import SsoProvider
from domain.access.sso_claims import IdentityClaims
from domain.access.sso_failures import SsoFailure
from domain.identifiers import UserId


class Standing(Struct, frozen=True, kw_only=True):
    """What the person's groups give.

    Attributes:
        role: None: the role stays as it is.
        join, leave: names of teams; other memberships stay as they are.
    """

    role: str | None = None
    join: frozenset[str] = frozenset()
    leave: frozenset[str] = frozenset()


class KnownUser(Struct, frozen=True, kw_only=True):
    """An account that comes into question.

    Attributes:
        linked: it has an identity of this provider and issuer already.
    """

    id: UserId
    state: UserState
    linked: bool = False


class SignInExisting(Struct, frozen=True, kw_only=True):
    """The identity belongs to an account."""

    user_id: UserId
    standing: Standing


class LinkTo(Struct, frozen=True, kw_only=True):
    """The identity is to be linked to an account, which then is signed in to."""

    user_id: UserId
    standing: Standing


class Provision(Struct, frozen=True, kw_only=True):
    """An account is to be made. `standing.role` is never None."""

    email: str
    name: str
    standing: Standing


class Refused(Struct, frozen=True, kw_only=True):
    """Nobody is signed in."""

    reason: SsoFailure


Decision = SignInExisting | LinkTo | Provision | Refused


def is_domain_allowed(provider: SsoProvider, claims: IdentityClaims) -> bool:
    """Tell whether the address is of an allowed domain; sub-domains are domains of their own."""
    return not provider.allowed_domains or claims.domain in provider.allowed_domains


def ranking(custom: Iterable[str]) -> tuple[str, ...]:
    """Return all roles, the highest first; custom ones, by name, between manager and developer.

    How much a custom role allows has no order, and one that is mapped on purpose means more than
    the roles that everybody has.
    """
    above = (Role.SUPER_ADMIN.value, Role.ADMIN.value, Role.TEAM_MANAGER.value)
    return (*above, *sorted(custom), Role.DEVELOPER.value, Role.VIEWER.value)


def role_from(provider: SsoProvider, groups: frozenset[str], roles: Sequence[str]) -> str | None:
    """Return the highest role that the groups give, else the default role, else None.

    `roles` has the roles that exist, the highest first; others are ignored.
    """
    given = {role for group, role in provider.group_roles.items() if group in groups}
    highest = next((role for role in roles if role in given), None)
    if highest is not None:
        return highest
    return provider.default_role if provider.default_role in roles else None


def teams_from(
    provider: SsoProvider, groups: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return the teams that the groups give, and those that only other groups would give."""
    given = frozenset(team for group, team in provider.group_teams.items() if group in groups)
    return given, frozenset(provider.group_teams.values()) - given


def decide(
    provider: SsoProvider,
    claims: IdentityClaims,
    *,
    linked: KnownUser | None,
    same_email: KnownUser | None,
    roles: Sequence[str],
) -> Decision:
    """Return what to do: `linked` has this identity, `same_email` has this address."""
    if provider.allowed_domains and (fault := _address_fault(provider, claims)) is not None:
        return Refused(reason=fault)
    if linked is not None:
        return _existing(provider, claims, linked, roles)
    if (fault := _address_fault(provider, claims)) is not None:
        return Refused(reason=fault)
    if same_email is not None:
        return _linking(provider, claims, same_email, roles)
    return _provisioning(provider, claims, roles)


def _address_fault(provider: SsoProvider, claims: IdentityClaims) -> SsoFailure | None:
    if claims.email is None:
        return SsoFailure.EMAIL_MISSING
    if not claims.email_verified:
        return SsoFailure.EMAIL_NOT_VERIFIED
    return None if is_domain_allowed(provider, claims) else SsoFailure.DOMAIN_NOT_ALLOWED


def decide_link(
    provider: SsoProvider, claims: IdentityClaims, *, actor: KnownUser, linked: KnownUser | None
) -> LinkTo | Refused:
    """Return whether a signed-in user may link this identity, whatever its address.

    The address still has to be verified and of an allowed domain. The role does not change: that
    is for sign-ins.
    """
    if (fault := _address_fault(provider, claims)) is not None:
        return Refused(reason=fault)
    if actor.state is not UserState.ACTIVE:
        return Refused(reason=SsoFailure.USER_INACTIVE)
    if linked is not None and linked.id != actor.id:
        return Refused(reason=SsoFailure.IDENTITY_TAKEN)
    if linked is None and actor.linked:
        return Refused(reason=SsoFailure.LINKED_OTHERWISE)
    return LinkTo(user_id=actor.id, standing=Standing())


def _existing(
    provider: SsoProvider, claims: IdentityClaims, user: KnownUser, roles: Sequence[str]
) -> SignInExisting | Refused:
    if user.state is not UserState.ACTIVE:
        return Refused(reason=SsoFailure.USER_INACTIVE)
    standing = _standing_of_known(provider, claims, roles)
    if standing is None:
        return Refused(reason=SsoFailure.NO_ROLE)
    return SignInExisting(user_id=user.id, standing=standing)


def _linking(
    provider: SsoProvider, claims: IdentityClaims, user: KnownUser, roles: Sequence[str]
) -> LinkTo | Refused:
    if not provider.link_by_email:
        return Refused(reason=SsoFailure.ACCOUNT_EXISTS)
    if user.linked:
        return Refused(reason=SsoFailure.LINKED_OTHERWISE)
    if user.state is not UserState.ACTIVE:
        return Refused(reason=SsoFailure.USER_INACTIVE)
    standing = _standing_of_known(provider, claims, roles)
    if standing is None:
        return Refused(reason=SsoFailure.NO_ROLE)
    return LinkTo(user_id=user.id, standing=standing)


def _provisioning(
    provider: SsoProvider, claims: IdentityClaims, roles: Sequence[str]
) -> Provision | Refused:
    if not provider.provisions:
        return Refused(reason=SsoFailure.NO_ACCOUNT)
    role = role_from(provider, claims.groups, roles)
    if role is None:
        return Refused(reason=SsoFailure.NO_ROLE)
    assert claims.email is not None
    join, leave = teams_from(provider, claims.groups)
    standing = Standing(role=role, join=join, leave=leave)
    return Provision(email=claims.email, name=claims.name, standing=standing)


def _standing_of_known(
    provider: SsoProvider, claims: IdentityClaims, roles: Sequence[str]
) -> Standing | None:
    """Return the standing of somebody with an account, None when no group gives a role.

    A role is decided by groups only where groups are mapped to roles: the default role alone is
    for new accounts, and would take away what an administrator has given.
    """
    join, leave = teams_from(provider, claims.groups)
    if not provider.group_roles:
        return Standing(join=join, leave=leave)
    role = role_from(provider, claims.groups, roles)
    return None if role is None else Standing(role=role, join=join, leave=leave)
