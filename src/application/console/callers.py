"""Who a question is about: a key or a user, named as people name them."""

from collections.abc import Mapping, Sequence

from application.ports.unit_of_work import Transaction
from domain.access.accounts import User
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import Target
from domain.errors import InvalidRequest, NotFound
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.keys.api_key import Caller, KeyState
from domain.keys.policy import ApiKey


async def find_caller(
    tx: Transaction, by: Actor, permission: Permission, *, key: str | None, user: str | None
) -> Caller:
    """Return the caller that `key` or `user` names; one that is a user has no key id.

    Args:
        tx: where to look.
        by: who asks. Keys and users that `permission` does not reach are as good as not there.
        permission: what the answer is needed for.
        key: id of a key, `owner/name`, or a name only one active key has.
        user: e-mail address or id, instead of a key.

    Raises:
        InvalidRequest: neither, both, or a name that several keys have.
        NotFound: no such key or user.
    """
    if (key is None) == (user is None):
        raise InvalidRequest("Give either 'key' or 'user'.", param="key")
    users = await tx.users.all()
    reach = by.rights.reach(permission)
    if key is not None:
        owners = {each.id: each for each in users}
        known = [each for each in await tx.keys.all() if reach.covers(_of_key(each, owners))]
        found = _key(key, known, {each.id: each.email for each in users})
        owner = next((each for each in users if each.id == found.owner_id), None)
        return _as_caller(owner, found)
    wanted = (user or "").strip()
    known = next(
        (each for each in users if wanted.lower() == each.email or wanted == each.id), None
    )
    if known is None or not reach.covers(Target(owner_id=known.id, team_ids=known.team_ids)):
        raise NotFound(f"There is no user '{wanted}'.")
    return _as_caller(known, None)


def _of_key(key: ApiKey, owners: Mapping[UserId, User]) -> Target:
    owner = owners.get(key.owner_id)
    teams = owner.team_ids if owner is not None else frozenset[TeamId]()
    return Target(owner_id=key.owner_id, team_ids=teams | key.policy.team_ids)


def _key(reference: str, keys: Sequence[ApiKey], emails: Mapping[UserId, str]) -> ApiKey:
    found = [
        key
        for key in keys
        if reference in (key.id, key.lineage_id)
        or (
            key.state is KeyState.ACTIVE
            and reference in (key.policy.name, f"{emails.get(key.owner_id)}/{key.policy.name}")
        )
    ]
    lineages = {key.lineage_id for key in found}
    if not found:
        raise NotFound(f"There is no key '{reference}'.")
    if len(lineages) > 1:
        raise InvalidRequest(f"Several keys are named '{reference}'; give an id.", param="key")
    return found[-1]


def _as_caller(user: User | None, key: ApiKey | None) -> Caller:
    teams = user.team_ids if user is not None else frozenset[TeamId]()
    if key is not None:
        teams |= key.policy.team_ids
    return Caller(
        key_id=key.id if key is not None else ApiKeyId(""),
        lineage_id=key.lineage_id if key is not None else LineageId(""),
        key_name=key.policy.name if key is not None else "",
        state=KeyState.ACTIVE,
        surfaces=frozenset(),
        models=key.policy.models if key is not None else None,
        user_id=user.id if user is not None else None,
        team_ids=tuple(sorted(teams)),
        roles=(user.role,) if user is not None else (),
    )
