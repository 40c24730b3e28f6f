"""The audit trail in PostgreSQL."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Row, Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from adapters.sql.errors import database_errors
from adapters.sql.tables.audit import AuditCheckpointRow, AuditEventRow, AuditHeadRow
from application.ports.audit_log import AuditArchive, AuditFilter, Checkpoint
from domain.records.audit import (
    AuditEntry,
    ChainedEvent,
    ChainHead,
    chained,
)


async def append(session: AsyncSession, entries: Sequence[AuditEntry]) -> None:
    """Put events at the end of the chain; the lock on its head lasts until the transaction ends."""
    if not entries:
        return
    head = (
        await session.execute(select(AuditHeadRow.sequence, AuditHeadRow.hash).with_for_update())
    ).one()
    rows = chained(ChainHead(sequence=head.sequence, hash=head.hash), entries)
    await session.execute(
        insert(AuditEventRow),
        [
            {
                "sequence": row.sequence,
                "content": row.content,
                "previous_hash": row.previous_hash,
                "hash": row.hash,
            }
            for row in rows
        ],
    )
    await session.execute(
        update(AuditHeadRow)
        .values(sequence=rows[-1].sequence, hash=rows[-1].hash)
        .execution_options(synchronize_session=False)
    )


class SqlAuditArchive(AuditArchive):
    """Rows of `audit_events`, `audit_head` and `audit_checkpoints`."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Each call is a transaction of its own."""
        self._engine = engine

    async def head(self) -> ChainHead:
        """Return where the chain ends."""
        async with database_errors(), self._engine.connect() as connection:
            row = (await connection.execute(select(AuditHeadRow.sequence, AuditHeadRow.hash))).one()
        return ChainHead(sequence=row.sequence, hash=row.hash)

    async def rows(self, after: int, limit: int) -> Sequence[ChainedEvent]:
        """Return rows in order."""
        query = (
            select(*_COLUMNS)
            .where(AuditEventRow.sequence > after)
            .order_by(AuditEventRow.sequence)
            .limit(limit)
        )
        async with database_errors(), self._engine.connect() as connection:
            return [_event(row) for row in await connection.execute(query)]

    async def search(
        self, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> Sequence[ChainedEvent]:
        """Return the newest rows first."""
        query = select(*_COLUMNS).where(*_conditions(wanted))
        if before is not None:
            query = query.where(AuditEventRow.sequence < before)
        query = query.order_by(AuditEventRow.sequence.desc()).limit(limit)
        async with database_errors(), self._engine.connect() as connection:
            return [_event(row) for row in await connection.execute(query)]

    async def count(self, wanted: AuditFilter) -> int:
        """Return how many events there are."""
        query = select(func.count()).select_from(AuditEventRow).where(*_conditions(wanted))
        async with database_errors(), self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one()

    async def checkpoints(
        self, *, after: int | None = None, until: int | None = None
    ) -> Sequence[Checkpoint]:
        """Return checkpoints in order."""
        query = select(AuditCheckpointRow).order_by(AuditCheckpointRow.sequence)
        if after is not None:
            query = query.where(AuditCheckpointRow.sequence > after)
        if until is not None:
            query = query.where(AuditCheckpointRow.sequence <= until)
        return await self._checkpoints(query)

    async def last_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint of the highest number."""
        query = select(AuditCheckpointRow).order_by(AuditCheckpointRow.sequence.desc())
        found = await self._checkpoints(query.limit(1))
        return found[0] if found else None

    async def _checkpoints(self, query: Select[tuple[AuditCheckpointRow]]) -> list[Checkpoint]:
        async with database_errors(), AsyncSession(self._engine) as session:
            rows = (await session.scalars(query)).all()
        return [
            Checkpoint(
                sequence=row.sequence,
                hash=row.hash,
                at_ms=row.at,
                key_id=row.key_id,
                signature=row.signature,
            )
            for row in rows
        ]

    async def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint, unless there is one for the event."""
        values = {
            "sequence": checkpoint.sequence,
            "hash": checkpoint.hash,
            "at": checkpoint.at_ms,
            "key_id": checkpoint.key_id,
            "signature": checkpoint.signature,
        }
        async with database_errors(), self._engine.begin() as connection:
            await connection.execute(
                insert(AuditCheckpointRow).values(**values).on_conflict_do_nothing()
            )


_COLUMNS = (
    AuditEventRow.sequence,
    AuditEventRow.content,
    AuditEventRow.previous_hash,
    AuditEventRow.hash,
)


def _event(row: Row[tuple[int, str, bytes, bytes]]) -> ChainedEvent:
    return ChainedEvent(sequence=row[0], content=row[1], previous_hash=row[2], hash=row[3])


def _conditions(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    row = AuditEventRow
    exact = {
        row.actor_id: wanted.actor_id,
        row.target_kind: wanted.target_kind,
        row.target_id: wanted.target_id,
        row.outcome: wanted.outcome.value if wanted.outcome is not None else None,
        row.ip: wanted.ip,
        row.request_id: wanted.request_id,
    }
    conditions = [column == value for column, value in exact.items() if value is not None]
    if wanted.action is not None and wanted.action.endswith("."):
        conditions.append(row.action.startswith(wanted.action, autoescape=True))
    elif wanted.action is not None:
        conditions.append(row.action == wanted.action)
    if wanted.since_ms is not None:
        conditions.append(row.at_ms >= wanted.since_ms)
    if wanted.until_ms is not None:
        conditions.append(row.at_ms < wanted.until_ms)
    if wanted.text is not None:
        conditions.append(
            or_(
                row.actor_name.icontains(wanted.text, autoescape=True),
                row.target_name.icontains(wanted.text, autoescape=True),
            )
        )
    return conditions
