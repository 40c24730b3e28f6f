"""Look-up of callers by key hash."""

from msgspec import Struct
from sqlalchemy import Text, cast, func, or_, select, text, union
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.sql.errors import database_errors
from adapters.sql.keys import networks
from adapters.sql.roles import assignment, role_definition
from adapters.sql.session import is_id
from adapters.sql.tables import (
    ApiKeyRow,
    ApiKeyTeamRow,
    RoleAssignmentRow,
    RoleRow,
    TeamMemberRow,
    TeamRow,
    UserRow,
)
from application.ports.directory import KeyDirectory
from domain.access.accounts import User, UserState
from domain.access.roles import (
    BUILT_IN,
    Assignment,
    RoleDefinition,
    gateway_access,
    rights_of,
)
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.api_key import Caller, KeyState

_TIMEOUT = 5.0  # a caller is waiting: sooner than what the console may take

_team_ids = union(
    select(ApiKeyTeamRow.team_id).where(ApiKeyTeamRow.key_id == ApiKeyRow.id).correlate(ApiKeyRow),
    select(TeamMemberRow.team_id)
    .where(TeamMemberRow.user_id == ApiKeyRow.owner_id)
    .correlate(ApiKeyRow),
)
_teams = (
    select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_array(cast(TeamRow.id, Text), TeamRow.name), TeamRow.name
            )
        )
    )
    .where(TeamRow.id.in_(_team_ids))
    .correlate(ApiKeyRow)
    .scalar_subquery()
    .label("teams")
)
_FIND = select(
    *ApiKeyRow.__table__.columns,
    UserRow.email.label("owner_email"),
    UserRow.role.label("owner_role"),
    UserRow.state.label("owner_state"),
    UserRow.deleted_at.label("owner_deleted_at"),
    _teams,
).join(UserRow, UserRow.id == ApiKeyRow.owner_id)

# The rows are locked in the order of their ids first: two replicas that report overlapping sets of
# keys would deadlock otherwise.
_TOUCH = text("""
WITH used AS (
    SELECT key.id, TIMESTAMPTZ 'epoch' + seen.at_ms * INTERVAL '1 millisecond' AS at
    FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS bigint[])) AS seen (id, at_ms)
    JOIN api_keys AS key ON key.id = seen.id
    ORDER BY key.id
    FOR NO KEY UPDATE OF key
)
UPDATE api_keys SET last_used_at = used.at
FROM used
WHERE api_keys.id = used.id AND (last_used_at IS NULL OR last_used_at < used.at)
""")


class _Held(Struct, frozen=True):
    """The assignments that hold for an owner, and the custom roles among the owner's."""

    given: tuple[Assignment, ...]
    custom: dict[str, RoleDefinition]


async def _roles_of(connection: AsyncConnection, owner_id: str, base: str) -> _Held:
    teams = select(TeamMemberRow.team_id).where(TeamMemberRow.user_id == owner_id)
    row = RoleAssignmentRow
    found = await connection.execute(
        select(*row.__table__.columns)
        .where(or_(row.user_id.is_(None), row.user_id == owner_id))
        .where(or_(row.team_id.is_(None), row.team_id.in_(teams)))
    )
    given = tuple(assignment(each) for each in found)
    names = {base, *(each.role for each in given)} - BUILT_IN.keys()
    if not names:
        return _Held(given, {})
    roles = await connection.execute(
        select(*RoleRow.__table__.columns).where(RoleRow.name.in_(names))
    )
    return _Held(given, {each.name: role_definition(each) for each in roles})


class SqlKeyDirectory(KeyDirectory):
    """One query joins the key with its owner and the teams of both."""

    def __init__(self, engine: AsyncEngine) -> None:
        """The engine is disposed by whoever made it."""
        self._engine = engine

    async def find(self, key_hash: bytes) -> Caller | None:
        """Return the caller; a removed key is still found, as revoked."""
        async with database_errors(_TIMEOUT), self._engine.connect() as connection:
            query = _FIND.where(ApiKeyRow.secret_hash == key_hash)
            row = (await connection.execute(query)).one_or_none()
            if row is None:
                return None
            held = await _roles_of(connection, row.owner_id, row.owner_role)
        owner = User(
            id=UserId(row.owner_id),
            email=row.owner_email,
            role=row.owner_role,
            team_ids=frozenset(each.team_id for each in held.given if each.team_id is not None),
            created_at_ms=0,
        )
        teams: list[tuple[str, str]] = row.teams or []
        return Caller(
            key_id=ApiKeyId(row.id),
            lineage_id=LineageId(row.lineage_id),
            key_name=row.name,
            state=KeyState.REVOKED if row.deleted_at is not None else KeyState(row.state),
            surfaces=frozenset(Surface(surface) for surface in row.surfaces),
            models=tuple(row.models) if row.models is not None else None,
            tools=tuple(row.tools) if row.tools is not None else None,
            permissions=frozenset(row.permissions) if row.permissions is not None else None,
            expires_at_ms=row.expires_at,
            grace_ends_at_ms=row.grace_ends_at,
            user_id=UserId(row.owner_id),
            user_email=row.owner_email,
            owner_active=row.owner_state == UserState.ACTIVE and row.owner_deleted_at is None,
            team_ids=tuple(TeamId(team_id) for team_id, _ in teams),
            team_names=tuple(name for _, name in teams),
            cost_centre=row.cost_centre,
            tags=row.tags,
            created_at_ms=row.created_at,
            last_used_at_ms=row.last_used_at,
            inactivity_ms=row.inactivity_ms,
            ip_allow=networks(row.ip_allow),
            roles=rights_of(owner, held.given, held.custom).roles,
            access=gateway_access(owner, held.given, held.custom),
        )

    async def touch(self, last_used_ms: dict[str, int]) -> None:
        """Move last uses forward; keys that are gone are skipped."""
        seen = {key_id: at_ms for key_id, at_ms in last_used_ms.items() if is_id(key_id)}
        if not seen:
            return
        async with database_errors(_TIMEOUT), self._engine.begin() as connection:
            await connection.execute(_TOUCH, {"ids": list(seen), "times": list(seen.values())})
