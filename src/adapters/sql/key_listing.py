"""Keys by what they are like, a page or a batch at a time."""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    insert,
    literal_column,
    not_,
    or_,
    select,
    true,
    update,
)

from adapters.sql.base import UnixMillis
from adapters.sql.keys import api_key
from adapters.sql.session import Session, is_id
from adapters.sql.tables import ApiKeyRow, ApiKeyTeamRow, TeamMemberRow, UserRow
from adapters.sql.tables.key_lifecycle import KeyHandoverRow, KeyWarningRow
from application.ports.change_feed import Section
from application.ports.key_listing import (
    Condition,
    ExpiryWarning,
    KeyFilter,
    KeyListing,
    OwnedKey,
)
from domain.access.accounts import UserState
from domain.access.rights import Area
from domain.identifiers import ApiKeyId, LineageId, TeamId
from domain.keys.api_key import KeyState
from domain.keys.policy import ApiKey
from domain.keys.rotation import AUTOMATIC_GRACE_MS

_DAY_MS = 86_400_000
_LIVE = ApiKeyRow.deleted_at.is_(None)
_ACTIVE = and_(ApiKeyRow.state == KeyState.ACTIVE.value, _LIVE)
_MS = "INTERVAL '1 millisecond'"
_SIGN_OF_LIFE = "greatest(api_keys.created_at, api_keys.last_used_at)"
_PERIOD = "api_keys.rotation_period_ms"


def _instant(expression: str) -> ColumnElement[int]:
    """An expression of ours over columns of `api_keys`, compared with Unix milliseconds."""
    return literal_column(expression, UnixMillis())


_LAST_SIGN = _instant(_SIGN_OF_LIFE)
_ROTATION_DUE = _instant(
    f"api_keys.created_at + ({_PERIOD} - least({AUTOMATIC_GRACE_MS}, {_PERIOD} / 2)) * {_MS}"
)
_PERIOD_END = _instant(f"api_keys.created_at + {_PERIOD} * {_MS}")
_WAITS = exists().where(KeyHandoverRow.key_id == ApiKeyRow.id, KeyHandoverRow.taken_at.is_(None))


def _is_past(at: ColumnElement[int], now_ms: int) -> ColumnElement[bool]:
    return func.coalesce(at <= now_ms, false())


def _unused(now_ms: int, slack_ms: int = 0) -> ColumnElement[bool]:
    closes = _instant(f"{_SIGN_OF_LIFE} + api_keys.inactivity_ms * {_MS}")
    return _is_past(closes, now_ms - slack_ms)


def _in_condition(condition: Condition, now_ms: int) -> ColumnElement[bool]:
    revoked = ApiKeyRow.state == KeyState.REVOKED.value
    expired = or_(
        func.coalesce(ApiKeyRow.expires_at <= now_ms, false()),
        func.coalesce(ApiKeyRow.grace_ends_at <= now_ms, false()),
    )
    match condition:
        case "revoked":
            return revoked
        case "expired":
            return and_(not_(revoked), expired)
        case "inactive":
            return and_(not_(revoked), not_(expired), _unused(now_ms))
        case "active" | "rotated":
            return and_(ApiKeyRow.state == condition, not_(expired), not_(_unused(now_ms)))


def _in_teams(team_ids: frozenset[TeamId]) -> ColumnElement[bool]:
    wanted = sorted(team_ids)
    return or_(
        exists().where(ApiKeyTeamRow.key_id == ApiKeyRow.id, ApiKeyTeamRow.team_id.in_(wanted)),
        exists().where(
            TeamMemberRow.user_id == ApiKeyRow.owner_id, TeamMemberRow.team_id.in_(wanted)
        ),
    )


def _within(area: Area) -> ColumnElement[bool]:
    if area.everything:
        return true()
    parts: list[ColumnElement[bool]] = []
    if area.owner_id is not None:
        parts.append(ApiKeyRow.owner_id == area.owner_id)
    if area.team_ids:
        parts.append(_in_teams(area.team_ids))
    return or_(false(), *parts)


def _matching(wanted: KeyFilter) -> list[ColumnElement[bool]]:
    found = [
        not_(_LIVE) if wanted.removed else _LIVE,
        _within(wanted.reach.allowed),
        not_(_within(wanted.reach.denied)),
    ]
    if wanted.owner_id is not None:
        mine = is_id(wanted.owner_id)
        found.append(ApiKeyRow.owner_id == wanted.owner_id if mine else false())
    if wanted.team_id is not None:
        found.append(_in_teams(frozenset({wanted.team_id})) if is_id(wanted.team_id) else false())
    if wanted.condition is not None:
        found.append(_in_condition(wanted.condition, wanted.now_ms))
    if wanted.surface is not None:
        found.append(ApiKeyRow.surfaces.any_() == wanted.surface.value)
    if wanted.text is not None:
        found.append(
            or_(
                ApiKeyRow.name.icontains(wanted.text, autoescape=True),
                ApiKeyRow.prefix.icontains(wanted.text, autoescape=True),
                exists().where(
                    UserRow.id == ApiKeyRow.owner_id,
                    UserRow.email.icontains(wanted.text, autoescape=True),
                ),
            )
        )
    if wanted.expires_before_ms is not None:
        found.append(ApiKeyRow.expires_at < wanted.expires_before_ms)
    if wanted.unused_since_ms is not None:
        found.append(wanted.unused_since_ms > _LAST_SIGN)
    return found


class SqlKeyListing(KeyListing):
    """Queries on `api_keys`."""

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def page(self, wanted: KeyFilter, *, after: str | None, limit: int) -> Sequence[OwnedKey]:
        """Return a page in the order of ids."""
        query = select(ApiKeyRow).where(*_matching(wanted))
        if after is not None:
            query = query.where(ApiKeyRow.id > after)
        keys = await self._keys(query.order_by(ApiKeyRow.id).limit(limit))
        owners = await self._session.rows(
            select(UserRow).where(UserRow.id.in_({key.owner_id for key in keys}))
        )
        emails = {owner.id: owner.email for owner in owners}
        return [OwnedKey(key=key, owner_email=emails[key.owner_id]) for key in keys]

    async def count(self, wanted: KeyFilter) -> int:
        """Return how many keys match."""
        found = await self._session.rows(select(func.count(ApiKeyRow.id)).where(*_matching(wanted)))
        return found[0]

    async def lineage(self, lineage_id: str, *, removed: bool = False) -> Sequence[ApiKey]:
        """Return the keys of a lineage, oldest first."""
        if not is_id(lineage_id):
            return []
        return await self._keys(
            select(ApiKeyRow)
            .where(ApiKeyRow.lineage_id == lineage_id, not_(_LIVE) if removed else _LIVE)
            .order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        )

    async def abandoned(self, now_ms: int, *, slack_ms: int, limit: int) -> Sequence[ApiKey]:
        """Return active keys that went unused for too long."""
        other = ApiKeyRow.__table__.alias()
        in_grace = exists().where(
            other.c.lineage_id == ApiKeyRow.lineage_id,
            other.c.state == KeyState.ROTATED.value,
            other.c.grace_ends_at > now_ms,
        )
        return await self._keys(
            select(ApiKeyRow)
            .where(_ACTIVE, _unused(now_ms, slack_ms), not_(in_grace), not_(_WAITS))
            .order_by(ApiKeyRow.id)
            .limit(limit)
        )

    async def after_grace(self, now_ms: int, *, limit: int) -> Sequence[ApiKey]:
        """Return rotated keys whose grace period has ended."""
        return await self._keys(
            select(ApiKeyRow)
            .where(
                ApiKeyRow.state == KeyState.ROTATED.value, _LIVE, ApiKeyRow.grace_ends_at <= now_ms
            )
            .order_by(ApiKeyRow.id)
            .limit(limit)
        )

    async def due_for_rotation(self, now_ms: int, *, limit: int) -> Sequence[ApiKey]:
        """Return active keys that are to be rotated by themselves."""
        owner_is_active = exists().where(
            UserRow.id == ApiKeyRow.owner_id,
            UserRow.state == UserState.ACTIVE.value,
            UserRow.deleted_at.is_(None),
        )
        return await self._keys(
            select(ApiKeyRow)
            .where(
                _ACTIVE,
                now_ms >= _ROTATION_DUE,
                or_(
                    ApiKeyRow.expires_at.is_(None),
                    and_(ApiKeyRow.expires_at > _PERIOD_END, ApiKeyRow.expires_at > now_ms),
                ),
                not_(_unused(now_ms)),
                owner_is_active,
                not_(_WAITS),
            )
            .order_by(ApiKeyRow.id)
            .limit(limit)
        )

    async def expiring(
        self, now_ms: int, *, days: Sequence[int], limit: int
    ) -> Sequence[ExpiryWarning]:
        """Return keys that end soon and were not warned of."""
        rising = sorted(days)
        ends = ApiKeyRow.expires_at
        days_left = case(
            *((ends <= now_ms + number * _DAY_MS, number) for number in rising), else_=None
        )
        young = case(
            *(
                (
                    ends <= now_ms + number * _DAY_MS,
                    _instant(f"api_keys.expires_at - INTERVAL '{number} days'")
                    < ApiKeyRow.created_at,
                )
                for number in rising
            ),
            else_=true(),
        )
        warned = exists().where(
            KeyWarningRow.lineage_id == ApiKeyRow.lineage_id,
            KeyWarningRow.expires_at == ends,
            KeyWarningRow.days <= days_left,
        )
        keys = await self._keys(
            select(ApiKeyRow)
            .where(
                _ACTIVE,
                ends > now_ms,
                ends <= now_ms + rising[-1] * _DAY_MS,
                not_(young),
                not_(warned),
            )
            .order_by(ends, ApiKeyRow.id)
            .limit(limit)
        )
        return [
            ExpiryWarning(
                key=key,
                days=next(
                    each
                    for each in rising
                    if (key.policy.expires_at_ms or 0) <= now_ms + each * _DAY_MS
                ),
            )
            for key in keys
        ]

    async def note_warning(self, warning: ExpiryWarning) -> None:
        """Remember a warning."""
        await self._session.change(
            insert(KeyWarningRow).values(
                lineage_id=warning.key.lineage_id,
                expires_at=warning.key.policy.expires_at_ms,
                days=warning.days,
            )
        )

    async def end_grace(self, key_id: ApiKeyId) -> bool:
        """Revoke a rotated key alone."""
        hit = await self._session.change(
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id, ApiKeyRow.state == KeyState.ROTATED.value, _LIVE)
            .values(state=KeyState.REVOKED.value),
            Section.KEYS,
        )
        return hit > 0

    async def note_use(self, lineage_id: LineageId, at_ms: int) -> None:
        """Move the last use of the active key."""
        await self._session.change(
            update(ApiKeyRow)
            .where(ApiKeyRow.lineage_id == lineage_id, _ACTIVE)
            .values(last_used_at=at_ms),
            Section.KEYS,
        )

    async def _keys(self, query: Select[tuple[ApiKeyRow]]) -> list[ApiKey]:
        rows = await self._session.rows(query)
        assignments = await self._session.rows(
            select(ApiKeyTeamRow).where(ApiKeyTeamRow.key_id.in_([row.id for row in rows]))
        )
        teams: defaultdict[str, set[TeamId]] = defaultdict(set)
        for each in assignments:
            teams[each.key_id].add(TeamId(each.team_id))
        return [api_key(row, frozenset(teams[row.id])) for row in rows]
