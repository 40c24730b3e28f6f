"""Repository of API keys."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Update, delete, func, insert, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables import ApiKeyRow, ApiKeyTeamRow
from application.ports.change_feed import Section
from application.ports.repositories import ApiKeys
from domain.errors import Conflict, NotFound
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey, KeyPolicy
from domain.keys.rotation import Rotation

_LIVE = ApiKeyRow.deleted_at.is_(None)
_WORKING = ApiKeyRow.state.in_((KeyState.ACTIVE.value, KeyState.ROTATED.value))


def api_key(row: ApiKeyRow, team_ids: frozenset[TeamId]) -> ApiKey:
    """Return a row as the program knows it."""
    return ApiKey(
        id=ApiKeyId(row.id),
        lineage_id=LineageId(row.lineage_id),
        parent_id=ApiKeyId(row.parent_id) if row.parent_id is not None else None,
        owner_id=UserId(row.owner_id),
        policy=KeyPolicy(
            name=row.name,
            surfaces=frozenset(Surface(surface) for surface in row.surfaces),
            models=tuple(row.models) if row.models is not None else None,
            tools=tuple(row.tools) if row.tools is not None else None,
            permissions=frozenset(row.permissions) if row.permissions is not None else None,
            team_ids=team_ids,
            expires_at_ms=row.expires_at,
            inactivity_ms=row.inactivity_ms,
            rotation_period_ms=row.rotation_period_ms,
            ip_allow=networks(row.ip_allow),
            cost_centre=row.cost_centre,
            tags=row.tags,
        ),
        secret_hash=row.secret_hash,
        prefix=row.prefix,
        state=KeyState(row.state),
        created_at_ms=row.created_at,
        grace_ends_at_ms=row.grace_ends_at,
        last_used_at_ms=row.last_used_at,
    )


def networks(stored: Sequence[object] | None) -> tuple[str, ...] | None:
    """Return `cidr[]` as text: the driver hands out `ipaddress` objects."""
    return tuple(str(network) for network in stored) if stored is not None else None


def _policy_columns(policy: KeyPolicy) -> dict[str, object]:
    return {
        "name": policy.name,
        "surfaces": sorted(policy.surfaces),
        "models": list(policy.models) if policy.models is not None else None,
        "tools": list(policy.tools) if policy.tools is not None else None,
        "permissions": sorted(policy.permissions) if policy.permissions is not None else None,
        "expires_at": policy.expires_at_ms,
        "inactivity_ms": policy.inactivity_ms,
        "rotation_period_ms": policy.rotation_period_ms,
        "ip_allow": list(policy.ip_allow) if policy.ip_allow is not None else None,
        "cost_centre": policy.cost_centre,
        "tags": policy.tags,
    }


class SqlApiKeys(ApiKeys):
    """Rows of `api_keys` and `api_key_teams`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self) -> Sequence[ApiKey]:
        """Return all keys, oldest first."""
        assignments = await self._session.rows(select(ApiKeyTeamRow))
        teams: defaultdict[str, set[TeamId]] = defaultdict(set)
        for assignment in assignments:
            teams[assignment.key_id].add(TeamId(assignment.team_id))
        rows = await self._session.rows(
            select(ApiKeyRow).where(_LIVE).order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        )
        return [api_key(row, frozenset(teams[row.id])) for row in rows]

    async def find(self, key_id: ApiKeyId) -> ApiKey | None:
        """Return one key."""
        if not is_id(key_id):
            return None
        return await self._with_teams(
            await self._session.first(select(ApiKeyRow).where(ApiKeyRow.id == key_id, _LIVE))
        )

    async def by_hash(self, secret_hash: bytes) -> ApiKey | None:
        """Return the key with this secret."""
        return await self._with_teams(
            await self._session.first(
                select(ApiKeyRow).where(ApiKeyRow.secret_hash == secret_hash, _LIVE)
            )
        )

    async def add(self, key: ApiKey) -> None:
        """Store a key and its teams."""
        await self._session.change(
            insert(ApiKeyRow).values(
                id=key.id,
                lineage_id=key.lineage_id,
                parent_id=key.parent_id,
                owner_id=key.owner_id,
                secret_hash=key.secret_hash,
                prefix=key.prefix,
                state=key.state.value,
                created_at=key.created_at_ms,
                grace_ends_at=key.grace_ends_at_ms,
                last_used_at=key.last_used_at_ms,
                **_policy_columns(key.policy),
            ),
            Section.KEYS,
        )
        await self._assign([key.id], key.policy)

    async def rotate(self, rotation: Rotation) -> None:
        """Retire the old key, if it is still active, and store its successor."""
        retired = rotation.retired
        hit = await self._session.change(
            update(ApiKeyRow)
            .where(ApiKeyRow.id == retired.id, ApiKeyRow.state == KeyState.ACTIVE.value, _LIVE)
            .values(state=retired.state.value, grace_ends_at=retired.grace_ends_at_ms),
            Section.KEYS,
        )
        if hit == 0:
            raise Conflict("The key was rotated or revoked by somebody else at the same time.")
        await self.add(rotation.successor)

    async def change_policy(self, lineage_id: LineageId, policy: KeyPolicy) -> None:
        """Write the policy to the active key and to those in their grace period."""
        rows = await self._session.rows(
            select(ApiKeyRow)
            .where(ApiKeyRow.lineage_id == lineage_id, _WORKING, _LIVE)
            .order_by(ApiKeyRow.id)
            .with_for_update()
        )
        ids = [row.id for row in rows]
        await self._some(
            update(ApiKeyRow).where(ApiKeyRow.id.in_(ids)).values(**_policy_columns(policy))
        )
        await self._session.change(delete(ApiKeyTeamRow).where(ApiKeyTeamRow.key_id.in_(ids)))
        await self._assign(ids, policy)

    async def revoke(self, lineage_id: LineageId) -> None:
        """Revoke every key of the lineage that still works."""
        await self._some(
            update(ApiKeyRow)
            .where(ApiKeyRow.lineage_id == lineage_id, _WORKING, _LIVE)
            .values(state=KeyState.REVOKED.value)
        )

    async def remove(self, lineage_id: LineageId) -> None:
        """Hide the lineage."""
        await self._some(
            update(ApiKeyRow)
            .where(ApiKeyRow.lineage_id == lineage_id, _LIVE)
            .values(deleted_at=func.now())
        )

    async def _with_teams(self, row: ApiKeyRow | None) -> ApiKey | None:
        if row is None:
            return None
        assignments = await self._session.rows(
            select(ApiKeyTeamRow).where(ApiKeyTeamRow.key_id == row.id)
        )
        return api_key(row, frozenset(TeamId(each.team_id) for each in assignments))

    async def _assign(self, key_ids: Sequence[str], policy: KeyPolicy) -> None:
        for key_id in key_ids:
            for team_id in sorted(policy.team_ids):
                await self._session.change(
                    insert(ApiKeyTeamRow).values(key_id=key_id, team_id=team_id)
                )

    async def _some(self, statement: Update) -> None:
        if await self._session.change(statement, Section.KEYS) == 0:
            raise NotFound("There is no such key, or it is revoked already.")
