"""Look-up of callers in process memory."""

from adapters.memory.store import MemoryStore, touch
from application.ports.directory import KeyDirectory
from domain.access.accounts import UserState
from domain.access.roles import gateway_access, rights_of
from domain.keys.api_key import Caller, KeyState


class MemoryKeyDirectory(KeyDirectory):
    """Joins what was committed last."""

    def __init__(self, store: MemoryStore) -> None:
        """`store` is shared with the unit of work that changes it."""
        self._store = store

    async def find(self, key_hash: bytes) -> Caller | None:
        """Return the caller; a removed key is still found, as revoked."""
        state = self._store.draft
        keys = (*state.keys.values(), *state.removed_keys.values())
        key = next((each for each in keys if each.secret_hash == key_hash), None)
        if key is None:
            return None
        owner = state.users.get(key.owner_id)
        former = owner or state.removed_users[key.owner_id]
        team_ids = key.policy.team_ids | former.team_ids
        known = (state.teams[each] for each in team_ids if each in state.teams)
        teams = sorted(known, key=lambda team: team.name)
        given = tuple(state.assignments.values())
        return Caller(
            key_id=key.id,
            lineage_id=key.lineage_id,
            key_name=key.policy.name,
            state=key.state if key.id in state.keys else KeyState.REVOKED,
            surfaces=key.policy.surfaces,
            models=key.policy.models,
            tools=key.policy.tools,
            permissions=key.policy.permissions,
            expires_at_ms=key.policy.expires_at_ms,
            grace_ends_at_ms=key.grace_ends_at_ms,
            user_id=key.owner_id,
            user_email=former.email,
            owner_active=owner is not None and owner.state is UserState.ACTIVE,
            team_ids=tuple(team.id for team in teams),
            team_names=tuple(team.name for team in teams),
            cost_centre=key.policy.cost_centre,
            tags=key.policy.tags,
            created_at_ms=key.created_at_ms,
            last_used_at_ms=key.last_used_at_ms,
            inactivity_ms=key.policy.inactivity_ms,
            ip_allow=key.policy.ip_allow,
            roles=rights_of(former, given, state.roles).roles,
            access=gateway_access(former, given, state.roles),
        )

    async def touch(self, last_used_ms: dict[str, int]) -> None:
        """Move last uses forward; keys that are gone are skipped."""
        touch(self._store, last_used_ms)
