"""Rows that are marked as deleted: to be restored, or purged."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, exists, select, update

from adapters.sql.session import Session, is_id
from adapters.sql.tables import ApiKeyRow, ProviderRow, RouteRow, UserRow
from application.ports.change_feed import Section
from application.ports.removed import Removed, RemovedKind, RemovedObject
from domain.errors import NotFound


class SqlRemoved(Removed):
    """Users, providers and keys with `deleted_at`.

    Whatever refers to them is deleted by its foreign key; but keys hold their owner, so they are
    deleted first. Who restores and who purges lock what they found: one of them wins.
    """

    def __init__(self, session: Session) -> None:
        """Works inside the transaction of `session`."""
        self._session = session

    async def all(self, kind: RemovedKind, *, limit: int) -> Sequence[RemovedObject]:
        """Return what can be restored, the last removed first."""
        match kind:
            case RemovedKind.USER:
                return await self._users(limit=limit, lock=False)
            case RemovedKind.PROVIDER:
                return await self._providers(limit=limit, lock=False)
            case RemovedKind.KEY:
                return await self._keys(limit=limit, lock=False)

    async def find(self, kind: RemovedKind, object_id: str) -> RemovedObject | None:
        """Return one."""
        if not is_id(object_id):
            return None
        match kind:
            case RemovedKind.USER:
                found = await self._users(UserRow.id == object_id)
            case RemovedKind.PROVIDER:
                found = await self._providers(ProviderRow.id == object_id)
            case RemovedKind.KEY:
                found = await self._keys(ApiKeyRow.lineage_id == object_id)
        return found[0] if found else None

    async def restore(self, found: RemovedObject) -> None:
        """Take the mark away."""
        match found.kind:
            case RemovedKind.USER:
                hit = await self._session.change(
                    update(UserRow)
                    .where(UserRow.id == found.id, UserRow.deleted_at.is_not(None))
                    .values(deleted_at=None),
                    Section.KEYS,
                )
            case RemovedKind.PROVIDER:
                hit = await self._session.change(
                    update(ProviderRow)
                    .where(ProviderRow.id == found.id, ProviderRow.deleted_at.is_not(None))
                    .values(deleted_at=None, revision=ProviderRow.revision + 1),
                    Section.CATALOG,
                )
            case RemovedKind.KEY:
                hit = await self._session.change(
                    update(ApiKeyRow)
                    .where(ApiKeyRow.lineage_id == found.id, ApiKeyRow.deleted_at.is_not(None))
                    .values(deleted_at=None),
                    Section.KEYS,
                )
        if hit == 0:
            raise NotFound(f"There is no removed {found.kind.value} of this id.")

    async def forget(self, found: RemovedObject) -> None:
        """Delete one for good."""
        if (
            await self.find(found.kind, found.id) is None
            or await self._delete(found.kind, [found.id]) == 0
        ):
            raise NotFound(f"There is no removed {found.kind.value} of this id.")

    async def purge(self, before_ms: int, *, limit: int) -> Sequence[RemovedObject]:
        """Delete rows for good."""
        keys = await self._keys(ApiKeyRow.deleted_at < before_ms, limit=limit)
        users = await self._users(UserRow.deleted_at < before_ms, limit=limit - len(keys))
        routed = exists().where(RouteRow.provider_id == ProviderRow.id)
        providers = await self._providers(
            ProviderRow.deleted_at < before_ms, ~routed, limit=limit - len(keys) - len(users)
        )
        for kind, found in zip(
            (RemovedKind.KEY, RemovedKind.USER, RemovedKind.PROVIDER),
            (keys, users, providers),
            strict=True,
        ):
            await self._delete(kind, [each.id for each in found])
        return [*keys, *users, *providers]

    async def _delete(self, kind: RemovedKind, ids: list[str]) -> int:
        if not ids:
            return 0
        match kind:
            case RemovedKind.KEY:
                return await self._session.change(
                    delete(ApiKeyRow).where(
                        ApiKeyRow.lineage_id.in_(ids), ApiKeyRow.deleted_at.is_not(None)
                    ),
                    Section.KEYS,
                )
            case RemovedKind.USER:
                await self._session.change(delete(ApiKeyRow).where(ApiKeyRow.owner_id.in_(ids)))
                return await self._session.change(
                    delete(UserRow).where(UserRow.id.in_(ids), UserRow.deleted_at.is_not(None)),
                    Section.KEYS,
                )
            case RemovedKind.PROVIDER:
                return await self._session.change(
                    delete(ProviderRow).where(
                        ProviderRow.id.in_(ids), ProviderRow.deleted_at.is_not(None)
                    ),
                    Section.CATALOG,
                )

    async def _users(
        self, *where: ColumnElement[bool], limit: int = 1, lock: bool = True
    ) -> list[RemovedObject]:
        query = (
            select(UserRow)
            .where(UserRow.deleted_at.is_not(None), *where)
            .order_by(UserRow.deleted_at.desc(), UserRow.id)
            .limit(max(limit, 0))
        )
        rows = await self._session.rows(query.with_for_update() if lock else query)
        return [_object(RemovedKind.USER, row.id, row.email, row.deleted_at) for row in rows]

    async def _providers(
        self, *where: ColumnElement[bool], limit: int = 1, lock: bool = True
    ) -> list[RemovedObject]:
        query = (
            select(ProviderRow)
            .where(ProviderRow.deleted_at.is_not(None), *where)
            .order_by(ProviderRow.deleted_at.desc(), ProviderRow.id)
            .limit(max(limit, 0))
        )
        rows = await self._session.rows(query.with_for_update() if lock else query)
        return [_object(RemovedKind.PROVIDER, row.id, row.name, row.deleted_at) for row in rows]

    async def _keys(
        self, *where: ColumnElement[bool], limit: int = 1, lock: bool = True
    ) -> list[RemovedObject]:
        """Return lineages: the mark is on all rows of one, and one row has no parent."""
        query = (
            select(ApiKeyRow)
            .where(ApiKeyRow.deleted_at.is_not(None), ApiKeyRow.parent_id.is_(None), *where)
            .order_by(ApiKeyRow.deleted_at.desc(), ApiKeyRow.id)
            .limit(max(limit, 0))
        )
        rows = await self._session.rows(query.with_for_update() if lock else query)
        names = await self._session.rows(
            select(ApiKeyRow)
            .where(ApiKeyRow.lineage_id.in_([row.id for row in rows]))
            .order_by(ApiKeyRow.created_at, ApiKeyRow.id)
        )
        latest = {row.lineage_id: row.name for row in names}
        return [_object(RemovedKind.KEY, row.id, latest[row.id], row.deleted_at) for row in rows]


def _object(kind: RemovedKind, object_id: str, name: str, at_ms: int | None) -> RemovedObject:
    return RemovedObject(kind=kind, id=object_id, name=name, removed_at_ms=at_ms or 0)
