"""Which limits somebody may see and change: those on the subjects within his reach.

| limit on | seen by who reaches | changed by who reaches |
|---|---|---|
| `user:…`, `api_key:…` | that user or key | the same; one's own only with scope `all` |
| `team_members:x` | team x | team x |
| `team:x` | team x | everything: nobody widens what his own team is given |
| `model`, `provider`, `platform`, `role` | everything | everything |

What hangs on something that is gone belongs to nobody, so only scope `all` reaches it.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from application.console.limits.names import Names
from application.ports.unit_of_work import Transaction
from domain.access.actor import Actor
from domain.access.permissions import Permission
from domain.access.rights import INSTALLATION, Reach, Target
from domain.errors import NotFound
from domain.identifiers import TeamId
from domain.limits.rules import Holder, HolderKind
from domain.subjects import PLATFORM, Subject

_OF_TEAMS = frozenset({HolderKind.TEAM, HolderKind.TEAM_MEMBERS})


class LimitReach(Struct, frozen=True, kw_only=True):
    """What one actor may see and change of limits.

    Attributes:
        names: the subjects he may name; others are answered as if they were not there.
        shown: all names, for what he may see anyway.
    """

    by: Actor
    names: Names
    shown: Names
    _reading: Reach
    _users: Mapping[str, Target]
    _keys: Mapping[str, Target]

    @classmethod
    async def read(
        cls, tx: Transaction, by: Actor, *, reading: Permission = Permission.LIMITS_READ
    ) -> "LimitReach":
        """Read what is stored in one transaction; `reading` is the permission to see it."""
        users, keys = await tx.users.all(), await tx.keys.all()
        owners = {user.id: Target(owner_id=user.id, team_ids=user.team_ids) for user in users}
        shown = Names.of(
            users=users,
            teams=await tx.teams.all(),
            providers=await tx.providers.all(),
            models=await tx.models.all(),
            keys=keys,
        )
        reach = cls(
            by=by,
            names=shown,
            shown=shown,
            _reading=by.rights.reach(reading),
            _users={str(user_id): target for user_id, target in owners.items()},
            _keys={
                key.lineage_id: Target(
                    owner_id=key.owner_id,
                    team_ids=owners.get(key.owner_id, INSTALLATION).team_ids | key.policy.team_ids,
                )
                for key in keys
            },
        )
        return replace(reach, names=reach._nameable())

    def sees(self, holder: Holder) -> bool:
        """Tell whether limits on the holder, and their use, may be seen."""
        return self._reading.covers(self._target(holder))

    def sees_subject(self, subject: Subject) -> bool:
        """Tell whether the limits and the use of one subject may be seen."""
        return self.sees(_holder(subject))

    def require(
        self, permission: Permission, holder: Holder, *, missing: str | None = None
    ) -> None:
        """Raise unless what hangs on the holder may be changed.

        Raises:
            NotFound: it may not even be seen, and `missing` says so; without `missing` the actor
                has named the holder, so he knows that it is there.
            PermissionDenied
        """
        target = self._target_of_changes(holder)
        hidden = not self.sees(holder) and not self.by.allows(permission, target)
        if hidden and missing is not None:
            raise NotFound(missing)
        self.by.require(permission, target)

    def require_subject(
        self, permission: Permission, subject: Subject, *, missing: str | None = None
    ) -> None:
        """Raise like `require`, about what concerns one subject alone."""
        self.require(permission, _holder(subject), missing=missing)

    def subjects(self) -> Mapping[str, frozenset[str]] | None:
        """Return the ids of the subjects that may be seen, by kind; None for all there are."""
        if self._reading.allowed.everything and self._reading.denied.nothing:
            return None
        known = {
            HolderKind.USER: self._users.keys(),
            HolderKind.API_KEY: self._keys.keys(),
            HolderKind.TEAM: self.shown.teams.values(),
            HolderKind.MODEL: self.shown.models.values(),
            HolderKind.PROVIDER: self.shown.providers.values(),
            HolderKind.PLATFORM: (PLATFORM.id,),
        }
        return {
            kind.value: frozenset(each for each in ids if self.sees(Holder(kind, each)))
            for kind, ids in known.items()
        }

    def _target(self, holder: Holder) -> Target:
        if holder.kind is HolderKind.USER:
            return self._users.get(holder.id, INSTALLATION)
        if holder.kind is HolderKind.API_KEY:
            return self._keys.get(holder.id, INSTALLATION)
        if holder.kind in _OF_TEAMS:
            return Target(team_ids=frozenset({TeamId(holder.id)}))
        return INSTALLATION

    def _target_of_changes(self, holder: Holder) -> Target:
        target = self._target(holder)
        is_own = self.by.user_id is not None and target.owner_id == self.by.user_id
        return INSTALLATION if is_own or holder.kind is HolderKind.TEAM else target

    def _nameable(self) -> Names:
        def seen(kind: HolderKind, names: Mapping[str, str]) -> dict[str, str]:
            return {name: each for name, each in names.items() if self.sees(Holder(kind, each))}

        models = self.by.allows(Permission.MODELS_READ)
        providers = self.by.allows(Permission.PROVIDERS_READ)
        known = self.shown
        return Names(
            users=seen(HolderKind.USER, known.users),
            teams=seen(HolderKind.TEAM, known.teams),
            keys=seen(HolderKind.API_KEY, known.keys),
            models=known.models if models else seen(HolderKind.MODEL, known.models),
            providers=known.providers if providers else seen(HolderKind.PROVIDER, known.providers),
        )


def _holder(subject: Subject) -> Holder:
    return Holder(HolderKind(subject.kind), subject.id)
