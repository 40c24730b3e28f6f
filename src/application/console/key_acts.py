"""Who may do what to a key: the one place that decides, for commands, REST calls and jobs.

A key acts for its owner. So whoever makes, changes, renews or restores one must have at least what
the owner has, and a key that opens the console names only permissions that both have.
"""

from msgspec.structs import replace

from application.identity.rights import read_gateway_access, read_rights, require_no_more_than
from application.ports.clock import Clock, IdGenerator, Randomness
from application.ports.unit_of_work import Transaction
from domain.access.accounts import User, UserState
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Rights, Target
from domain.errors import BeyondOwnRights, Conflict, InvalidRequest, NotFound
from domain.identifiers import ApiKeyId, TeamId
from domain.inference.dialect import Surface
from domain.keys.issuing import issue
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import rotate
from domain.keys.secret import RANDOM_BYTES, mint
from domain.records.audit import AuditTarget
from domain.secret import Secret

MISSING = "There is no key with this id."
_SURFACES = {
    Surface.AI_GATEWAY: Permission.AI_GATEWAY_USE,
    Surface.MCP_GATEWAY: Permission.MCP_GATEWAY_USE,
}


class KeyMaker:
    """Makes keys and their successors inside a transaction of the caller's, and records it."""

    def __init__(self, clock: Clock, ids: IdGenerator, randomness: Randomness) -> None:
        """Take the ports."""
        self._clock = clock
        self._ids = ids
        self._randomness = randomness

    async def create(
        self,
        tx: Transaction,
        by: Actor,
        owner: User,
        policy: KeyPolicy,
        *,
        secret: Secret | None = None,
        owner_missing: str = "There is no such user.",
    ) -> tuple[ApiKey, Secret]:
        """Store a key for `owner`; `secret` is made unless it is given.

        Raises:
            NotFound: the actor may not see the owner or a team of the policy; `owner_missing` says
                so for the owner.
            PermissionDenied, BeyondOwnRights: see the top of this module.
            InvalidRequest: the policy cannot be, or its expiry is in the past.
            Conflict: the owner is not active or has an active key of that name.
        """
        now_ms = self._clock.now_ms()
        by.require(
            Permission.KEYS_CREATE,
            target_of_user(owner),
            seen_by=Permission.USERS_READ,
            missing=owner_missing,
        )
        if owner.state is not UserState.ACTIVE:
            raise Conflict(f"The user '{owner.email}' is deactivated.")
        policy = policy.checked(now_ms)
        if policy.expires_at_ms is not None and policy.expires_at_ms <= now_ms:
            raise InvalidRequest("The expiry is in the past.", param="expires_at")
        require_teams(by, Permission.KEYS_CREATE, policy.team_ids - owner.team_ids)
        if Surface.CONSOLE in policy.surfaces:
            by.require(Permission.KEYS_CREATE_CONSOLE, target_of_user(owner))
        await require_may_hand_out(tx, by, owner, policy, named=True)
        chosen = secret or mint(self._randomness.token_bytes(RANDOM_BYTES))
        key = issue(
            policy,
            key_id=ApiKeyId(self._ids.new_id()),
            owner_id=owner.id,
            secret=chosen,
            now_ms=now_ms,
        )
        await tx.keys.add(key)
        tx.audit.record(by, "key.create", key_target(key), after=key)
        return key, chosen

    async def rotate(
        self,
        tx: Transaction,
        by: Actor,
        key: ApiKey,
        *,
        grace_ms: int,
        reason: str | None = None,
    ) -> tuple[ApiKey, Secret]:
        """Give a key a new secret and return its successor.

        Raises:
            NotFound, PermissionDenied, BeyondOwnRights: see the top of this module.
            InvalidRequest: the grace period is out of bounds.
            Conflict: the key is not active, or somebody else rotated it first.
        """
        owner = await require_on_key(tx, by, Permission.KEYS_ROTATE, key)
        await require_may_hand_out(tx, by, owner, key.policy)
        secret = mint(self._randomness.token_bytes(RANDOM_BYTES))
        rotation = rotate(
            key,
            successor_id=ApiKeyId(self._ids.new_id()),
            secret=secret,
            now_ms=self._clock.now_ms(),
            grace_ms=grace_ms,
        )
        await tx.keys.rotate(rotation)
        tx.audit.record(
            by,
            "key.rotate",
            key_target(key),
            before=key,
            after=rotation.successor,
            reason=reason,
        )
        return rotation.successor, secret


def key_target(key: ApiKey) -> AuditTarget:
    """Return how the audit trail names a key."""
    return AuditTarget(kind="key", id=key.id, name=key.policy.name)


def target_of_user(user: User) -> Target:
    """Return whose a user is."""
    return Target(owner_id=user.id, team_ids=user.team_ids)


def target_of_key(key: ApiKey, owner: User | None) -> Target:
    """Return whose a key is; the owner may be removed."""
    teams = owner.team_ids if owner is not None else frozenset[TeamId]()
    return Target(owner_id=key.owner_id, team_ids=teams | key.policy.team_ids)


async def require_on_key(
    tx: Transaction, by: Actor, permission: Permission, key: ApiKey
) -> User | None:
    """Raise unless the actor may do this to the key; return its owner, None when removed.

    Raises:
        NotFound: the actor may not even see the key.
        PermissionDenied
    """
    owner = await tx.users.find(key.owner_id)
    by.require(permission, target_of_key(key, owner), seen_by=Permission.KEYS_READ, missing=MISSING)
    return owner


def require_teams(by: Actor, permission: Permission, team_ids: frozenset[TeamId]) -> None:
    """Raise unless the actor may do this in each of the teams.

    Raises:
        NotFound: the actor may not see the team.
        PermissionDenied
    """
    for team_id in sorted(team_ids):
        by.require(
            permission,
            Target(team_ids=frozenset({team_id})),
            seen_by=Permission.TEAMS_READ,
            missing="There is no such team.",
        )


async def require_may_hand_out(
    tx: Transaction, by: Actor, owner: User | None, policy: KeyPolicy, *, named: bool = False
) -> None:
    """Raise when the holder of such a key could do what the actor cannot.

    With `named`, its permissions are chosen now, so the owner must have them all too.

    Raises:
        BeyondOwnRights: it says what is beyond.
        Conflict: the owner is removed.
    """
    if owner is None:
        raise Conflict("The owner of this key is removed.")
    rights = await read_rights(tx, owner)
    names = sorted(policy.permissions or ())
    beyond = [name for name in names if not _holds(by.rights, name)]
    if named:
        beyond.extend(f"{name} (of the owner)" for name in names if not _holds(rights, name))
    if by.user_id == owner.id and by.rights.ceiling is not None:
        needed = (_SURFACES.get(surface) for surface in policy.surfaces)
        beyond.extend(
            permission.value
            for permission in needed
            if permission is not None and permission not in by.rights.ceiling
        )
    if beyond:
        raise BeyondOwnRights(sorted(beyond))
    if by.user_id != owner.id:
        access = await read_gateway_access(tx, owner)
        await require_no_more_than(tx, by.rights, rights, access)


async def find_key(tx: Transaction, key_id: str) -> ApiKey:
    """Return a key that was not removed. Raises `NotFound`."""
    if (key := await tx.keys.find(ApiKeyId(key_id))) is None:
        raise NotFound(MISSING)
    return key


async def revoke_key(tx: Transaction, by: Actor, key: ApiKey, *, reason: str | None = None) -> None:
    """End a key and whatever of its lineage is in its grace period, for good.

    Raises:
        NotFound: the actor may not see it, or nothing of the lineage works.
        PermissionDenied
    """
    await require_on_key(tx, by, Permission.KEYS_REVOKE, key)
    await tx.keys.revoke(key.lineage_id)
    tx.audit.record(by, "key.revoke", key_target(key), before=key, reason=reason)


async def change_key(
    tx: Transaction, by: Actor, key: ApiKey, policy: KeyPolicy, now_ms: int
) -> ApiKey:
    """Give a key another policy and return it.

    Raises:
        NotFound, PermissionDenied, BeyondOwnRights: see the top of this module.
        InvalidRequest: the policy cannot be.
        Conflict: the key does not work any more, or the name is taken.
    """
    owner = await require_on_key(tx, by, Permission.KEYS_UPDATE, key)
    if key.condition(now_ms) in ("revoked", "rotated") or key.grace_ends_at_ms is not None:
        raise Conflict("Only the active key of a line can be changed.")
    before, policy = key.policy, policy.checked(now_ms)
    if policy == before:
        return key
    expires_at_ms = policy.expires_at_ms
    if expires_at_ms not in (None, before.expires_at_ms) and (expires_at_ms or 0) <= now_ms:
        raise InvalidRequest("The expiry is in the past.", param="expires_at")
    teams = owner.team_ids if owner is not None else frozenset[TeamId]()
    require_teams(by, Permission.KEYS_UPDATE, (policy.team_ids ^ before.team_ids) - teams)
    if Surface.CONSOLE in policy.surfaces and (policy.surfaces, policy.permissions) != (
        before.surfaces,
        before.permissions,
    ):
        by.require(Permission.KEYS_CREATE_CONSOLE, target_of_key(key, owner))
    await require_may_hand_out(
        tx, by, owner, policy, named=policy.permissions != before.permissions
    )
    await tx.keys.change_policy(key.lineage_id, policy)
    changed = replace(key, policy=policy)
    tx.audit.record(by, "key.update", key_target(changed), before=key, after=changed)
    return changed


def _holds(rights: Rights, name: str) -> bool:
    try:
        return rights.holds(Permission(name))
    except ValueError:  # of another version
        return rights.unlimited and rights.ceiling is None
