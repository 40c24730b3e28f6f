"""Keys by what they are like, in process memory."""

from collections.abc import Sequence

from msgspec.structs import replace

from adapters.memory.repositories import Draft
from application.ports.change_feed import Section
from application.ports.key_listing import ExpiryWarning, KeyFilter, KeyListing, OwnedKey
from domain.access.accounts import User, UserState
from domain.access.rights import Target
from domain.errors import Conflict
from domain.identifiers import ApiKeyId, LineageId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.keys.rotation import rotation_due_at_ms

_DAY_MS = 86_400_000


class MemoryKeyListing(KeyListing):
    """Looks at every key."""

    def __init__(self, draft: Draft) -> None:
        """Reads and changes `draft`."""
        self._draft = draft

    async def page(self, wanted: KeyFilter, *, after: str | None, limit: int) -> Sequence[OwnedKey]:
        """Return a page in the order of ids."""
        rest = [key for key in self._matching(wanted) if after is None or key.id > after]
        return [
            OwnedKey(key=key, owner_email=self._owner(key).email)
            for key in sorted(rest, key=lambda key: key.id)[:limit]
        ]

    async def count(self, wanted: KeyFilter) -> int:
        """Return how many keys match."""
        return len(self._matching(wanted))

    async def lineage(self, lineage_id: str, *, removed: bool = False) -> Sequence[ApiKey]:
        """Return the keys of a lineage, oldest first."""
        keys = self._draft.removed_keys if removed else self._draft.keys
        found = [key for key in keys.values() if key.lineage_id == lineage_id]
        return sorted(found, key=lambda key: (key.created_at_ms, key.id))

    async def abandoned(self, now_ms: int, *, slack_ms: int, limit: int) -> Sequence[ApiKey]:
        """Return active keys that went unused for too long."""
        in_grace = {
            key.lineage_id
            for key in self._draft.keys.values()
            if key.state is KeyState.ROTATED and (key.grace_ends_at_ms or 0) > now_ms
        }
        return [
            key
            for key in self._active()
            if _unused(key, now_ms - slack_ms)
            and key.lineage_id not in in_grace
            and not self._waits(key)
        ][:limit]

    async def after_grace(self, now_ms: int, *, limit: int) -> Sequence[ApiKey]:
        """Return rotated keys whose grace period has ended."""
        return [
            key
            for key in self._sorted()
            if key.state is KeyState.ROTATED and (key.grace_ends_at_ms or 0) <= now_ms
        ][:limit]

    async def due_for_rotation(self, now_ms: int, *, limit: int) -> Sequence[ApiKey]:
        """Return active keys that are to be rotated by themselves."""
        return [key for key in self._active() if self._is_due(key, now_ms)][:limit]

    async def expiring(
        self, now_ms: int, *, days: Sequence[int], limit: int
    ) -> Sequence[ExpiryWarning]:
        """Return keys that end soon and were not warned of."""
        found: list[tuple[int, ExpiryWarning]] = []
        for key in self._active():
            ends_ms = key.policy.expires_at_ms
            if ends_ms is None or ends_ms <= now_ms:
                continue
            tight = next((each for each in sorted(days) if ends_ms <= now_ms + each * _DAY_MS), 0)
            if not tight or ends_ms - tight * _DAY_MS < key.created_at_ms:
                continue
            given = (
                number
                for lineage_id, at_ms, number in self._draft.key_warnings
                if lineage_id == key.lineage_id and at_ms == ends_ms
            )
            if all(number > tight for number in given):
                found.append((ends_ms, ExpiryWarning(key=key, days=tight)))
        return [each for _, each in sorted(found, key=lambda pair: (pair[0], pair[1].key.id))][
            :limit
        ]

    async def note_warning(self, warning: ExpiryWarning) -> None:
        """Remember a warning."""
        note = (warning.key.lineage_id, warning.key.policy.expires_at_ms or 0, warning.days)
        if note in self._draft.key_warnings:
            raise Conflict("The warning was given already.")
        self._draft.key_warnings.add(note)

    async def end_grace(self, key_id: ApiKeyId) -> bool:
        """Revoke a rotated key alone."""
        key = self._draft.keys.get(key_id)
        if key is None or key.state is not KeyState.ROTATED:
            return False
        self._draft.keys[key_id] = replace(key, state=KeyState.REVOKED)
        self._draft.changed.add(Section.KEYS)
        return True

    async def note_use(self, lineage_id: LineageId, at_ms: int) -> None:
        """Move the last use of the active key."""
        for key in self._active():
            if key.lineage_id == lineage_id:
                self._draft.keys[key.id] = replace(key, last_used_at_ms=at_ms)
        self._draft.changed.add(Section.KEYS)

    def _matching(self, wanted: KeyFilter) -> list[ApiKey]:
        keys = self._draft.removed_keys if wanted.removed else self._draft.keys
        return [key for key in keys.values() if self._matches(key, wanted)]

    def _matches(self, key: ApiKey, wanted: KeyFilter) -> bool:
        owner = self._owner(key)
        teams = owner.team_ids | key.policy.team_ids
        text = (wanted.text or "").lower()
        ends_ms = key.policy.expires_at_ms
        return (
            wanted.reach.covers(Target(owner_id=key.owner_id, team_ids=teams))
            and wanted.owner_id in (None, key.owner_id)
            and (wanted.team_id is None or wanted.team_id in teams)
            and wanted.condition in (None, key.condition(wanted.now_ms))
            and (wanted.surface is None or wanted.surface in key.policy.surfaces)
            and any(text in each.lower() for each in (key.policy.name, key.prefix, owner.email))
            and (
                wanted.expires_before_ms is None
                or (ends_ms is not None and ends_ms < wanted.expires_before_ms)
            )
            and (
                wanted.unused_since_ms is None or key.last_sign_of_life_ms < wanted.unused_since_ms
            )
        )

    def _is_due(self, key: ApiKey, now_ms: int) -> bool:
        period_ms, ends_ms = key.policy.rotation_period_ms, key.policy.expires_at_ms
        owner = self._draft.users.get(key.owner_id)
        return (
            period_ms is not None
            and rotation_due_at_ms(key.created_at_ms, period_ms) <= now_ms
            and (ends_ms is None or (ends_ms > key.created_at_ms + period_ms and ends_ms > now_ms))
            and not _unused(key, now_ms)
            and owner is not None
            and owner.state is UserState.ACTIVE
            and not self._waits(key)
        )

    def _waits(self, key: ApiKey) -> bool:
        return any(
            each.key_id == key.id and each.id not in self._draft.taken_handovers
            for each in self._draft.handovers.values()
        )

    def _owner(self, key: ApiKey) -> User:
        return self._draft.users.get(key.owner_id) or self._draft.removed_users[key.owner_id]

    def _sorted(self) -> list[ApiKey]:
        return sorted(self._draft.keys.values(), key=lambda key: key.id)

    def _active(self) -> list[ApiKey]:
        return [key for key in self._sorted() if key.state is KeyState.ACTIVE]


def _unused(key: ApiKey, at_ms: int) -> bool:
    inactivity_ms = key.policy.inactivity_ms
    return inactivity_ms is not None and key.last_sign_of_life_ms + inactivity_ms <= at_ms
