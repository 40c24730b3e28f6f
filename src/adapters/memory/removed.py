"""What was set aside by removal, in process memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.memory.repositories import Draft
from application.ports.change_feed import Section
from application.ports.removed import Removed, RemovedKind, RemovedObject
from domain.errors import Conflict, NotFound
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey


class MemoryRemoved(Removed):
    """Reads the dictionaries that removal fills."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def all(self, kind: RemovedKind, *, limit: int) -> Sequence[RemovedObject]:
        """Return what can be restored, the last removed first."""
        draft = self._draft
        match kind:
            case RemovedKind.USER:
                names = {user.id: user.email for user in draft.removed_users.values()}
            case RemovedKind.PROVIDER:
                names = {each.id: each.name for each in draft.removed_providers.values()}
            case RemovedKind.KEY:
                keys = sorted(draft.removed_keys.values(), key=lambda key: key.created_at_ms)
                names = {key.lineage_id: key.policy.name for key in keys}
        found = [
            RemovedObject(
                kind=kind, id=each, name=name, removed_at_ms=draft.removed_at_ms.get(each, 0)
            )
            for each, name in names.items()
        ]
        return sorted(found, key=lambda each: (-each.removed_at_ms, each.id))[: max(limit, 0)]

    async def find(self, kind: RemovedKind, object_id: str) -> RemovedObject | None:
        """Return one."""
        everything = await self.all(kind, limit=2**31)
        return next((each for each in everything if each.id == object_id), None)

    async def restore(self, found: RemovedObject) -> None:
        """Put it back where it was."""
        if await self.find(found.kind, found.id) is None:
            raise NotFound(f"There is no removed {found.kind.value} of this id.")
        draft = self._draft
        match found.kind:
            case RemovedKind.USER:
                user = draft.removed_users.pop(found.id)
                if any(other.email == user.email for other in draft.users.values()):
                    raise Conflict("A user with this e-mail address exists already.")
                draft.users[user.id] = replace(
                    user, team_ids=user.team_ids & frozenset(draft.teams)
                )
            case RemovedKind.PROVIDER:
                provider = draft.removed_providers.pop(found.id)
                if any(other.name == provider.name for other in draft.providers.values()):
                    raise Conflict("A provider with this name exists already.")
                draft.providers[provider.id] = replace(provider, revision=provider.revision + 1)
            case RemovedKind.KEY:
                for key in self._lineage(found.id):
                    self._refuse_second_name(key)
                    draft.keys[key.id] = draft.removed_keys.pop(key.id)
        catalog = found.kind is RemovedKind.PROVIDER
        draft.changed.add(Section.CATALOG if catalog else Section.KEYS)

    async def forget(self, found: RemovedObject) -> None:
        """Forget one for good."""
        if await self.find(found.kind, found.id) is None:
            raise NotFound(f"There is no removed {found.kind.value} of this id.")
        self._forget(found)

    async def purge(self, before_ms: int, *, limit: int) -> Sequence[RemovedObject]:
        """Forget for good."""
        gone: list[RemovedObject] = []
        for kind in (RemovedKind.KEY, RemovedKind.USER, RemovedKind.PROVIDER):
            old = [
                each for each in await self.all(kind, limit=2**31) if each.removed_at_ms < before_ms
            ]
            for each in old[: limit - len(gone)]:
                self._forget(each)
                gone.append(each)
        return gone

    def _forget(self, found: RemovedObject) -> None:
        draft = self._draft
        match found.kind:
            case RemovedKind.USER:
                del draft.removed_users[found.id]
                draft.passwords.pop(found.id, None)
                for given in list(draft.assignments.values()):
                    if given.user_id == found.id:
                        del draft.assignments[given.id]
                self._forget_keys([k for k in self._every_key() if k.owner_id == found.id])
            case RemovedKind.PROVIDER:
                del draft.removed_providers[found.id]
            case RemovedKind.KEY:
                self._forget_keys(self._lineage(found.id))
        catalog = found.kind is RemovedKind.PROVIDER
        draft.changed.add(Section.CATALOG if catalog else Section.KEYS)

    def _forget_keys(self, keys: list[ApiKey]) -> None:
        draft = self._draft
        gone = {key.id for key in keys}
        for key_id in gone:
            draft.keys.pop(key_id, None)
            draft.removed_keys.pop(key_id, None)
        for each in list(draft.handovers.values()):
            if each.key_id in gone:
                del draft.handovers[each.id]
        draft.key_warnings = {note for note in draft.key_warnings if note[0] not in gone}

    def _every_key(self) -> list[ApiKey]:
        return [*self._draft.keys.values(), *self._draft.removed_keys.values()]

    def _lineage(self, lineage_id: str) -> list[ApiKey]:
        return [k for k in self._draft.removed_keys.values() if k.lineage_id == lineage_id]

    def _refuse_second_name(self, key: ApiKey) -> None:
        if key.state is KeyState.ACTIVE and any(
            other.owner_id == key.owner_id
            and other.policy.name == key.policy.name
            and other.state is KeyState.ACTIVE
            for other in self._draft.keys.values()
        ):
            raise Conflict("The owner already has an active key with this name.")
