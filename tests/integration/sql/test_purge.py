"""The purge against every foreign key that the schema has, whoever added it."""

from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import ARRAY, Boolean, Integer, LargeBinary, Numeric, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.memory.leases import MemoryLeaderLease
from adapters.sql.base import Base, UnixMillis
from adapters.sql.engine import create_engine
from adapters.sql.leases import SqlLeaderLease
from application.jobs.purge_removed import PurgeRemoved
from application.ports.audit_log import AuditFilter
from domain.errors import NotFound
from tests.support.acting import OPERATOR
from tests.support.catalog_services import catalog_services
from tests.support.configuration import Configuration, new_id, sql_configuration
from tests.support.manual_clock import EvenRandomness, ManualClock
from tests.support.people_services import people_services

DAY_S = 86_400
NOW_MS = 1_790_000_000_000
PURGED = ("users", "providers", "api_keys")
TABLES = Base.metadata.tables
# Values that a check of the table asks for; everything else is made up by type.
SPECIAL: dict[str, dict[str, Any]] = {
    "users": {"role": "developer", "state": "active"},
    "api_keys": {
        "prefix": "tw-12345678",
        "state": "revoked",
        "surfaces": ["ai_gateway"],
        "models": None,
        "permissions": None,
        "ip_allow": None,
    },
    "providers": {"kind": "openai", "sealed_credentials": None},
    "routes": {"prices": []},
    "role_assignments": {"role": "developer"},
    "invites": {"role": "developer"},
    "sso_providers": {"preset": "okta", "state": "draft"},
    "sso_attempts": {"purpose": "test", "sealed_verifier": "v1.x"},
    "sessions": {"method": "password", "binding": "network"},
    "key_handovers": {"taken_at": None},
}

Row = tuple[str, tuple[str, ...]]


class Rows:
    """Makes rows, with the rows they need."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._numbers = count(1)

    async def add(self, table: Table, **given: Any) -> dict[str, Any]:
        special = SPECIAL.get(table.name, {})
        names = {column.name for column in table.columns}
        values: dict[str, Any] = {name: special[name] for name in special if name in names}
        values |= given
        row: dict[str, Any] = {}
        for column in table.columns:
            if column.name in values:
                row[column.name] = values[column.name]
            elif column.computed is None and not column.nullable and not column.server_default:
                row[column.name] = await self._made_up(table, column.name)
        if table.name == "api_keys" and "lineage_id" not in given:
            row["lineage_id"] = row["id"]
        if table.name == "sso_attempts" and row.get("actor_id") is None:
            row["purpose"] = "login"
        if table.name == "key_handovers":
            row |= {"sealed_token": "v1.x", "sealed_secret": "v1.x"}
        await self._connection.execute(table.insert().values(row))
        return row

    async def _made_up(self, table: Table, name: str) -> Any:
        column = table.columns[name]
        for key in column.foreign_keys:
            if key.constraint is not None and len(key.constraint.elements) == 1:
                parent = await self.add(key.column.table)
                return parent[key.column.name]
        for kind, value in self._by_type(next(self._numbers)):
            if isinstance(column.type, kind):
                return value
        raise AssertionError(f"{table.name}.{name} has a type nobody makes values of")

    def _by_type(self, number: int) -> list[tuple[type, Any]]:
        return [
            (Uuid, new_id()),
            (UnixMillis, NOW_MS),
            (Boolean, True),
            (LargeBinary, number.to_bytes(32, "big")),
            (ARRAY, []),
            (JSONB, {}),
            (Integer, number),
            (Numeric, number),
            (Text, f"name-{number}@example.com"),
        ]


def references() -> list[tuple[str, str, str]]:
    """Return (table, column, purged table) of every foreign key, as the metadata has them."""
    return [
        (table.name, key.parent.name, key.column.table.name)
        for table in TABLES.values()
        for key in table.foreign_keys
        if key.column.table.name in PURGED
    ]


@pytest.fixture
async def engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_engine(postgres_url)
    yield made
    await made.dispose()


@pytest.fixture
async def stored(postgres_url: str) -> AsyncIterator[Configuration]:
    async with sql_configuration(postgres_url) as configuration:
        yield configuration


async def everything(engine: AsyncEngine) -> set[Row]:
    """Return every row of every table by its key, but for what each change adds to."""
    found: set[Row] = set()
    async with engine.connect() as connection:
        for table in TABLES.values():
            if not table.name.startswith(("audit_", "config_")):
                keys = await connection.execute(select(*table.primary_key.columns))
                found |= {(table.name, tuple(map(str, key))) for key in keys}
    return found


async def test_the_metadata_has_every_foreign_key_of_the_schema(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        found = await connection.exec_driver_sql(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND confrelid IN"
            " ('users'::regclass, 'providers'::regclass, 'api_keys'::regclass)"
        )
        in_schema = {row[0] for row in found}
    known = {
        key.constraint.name
        for table in TABLES.values()
        for key in table.foreign_keys
        if key.column.table.name in PURGED and key.constraint is not None
    }
    assert known == in_schema
    assert len(known) >= 8


@pytest.mark.parametrize("purged", PURGED)
async def test_an_old_object_goes_with_every_reference_to_it_and_nothing_else_does(
    stored: Configuration, engine: AsyncEngine, purged: str
) -> None:
    clock = ManualClock(NOW_MS)
    job = PurgeRemoved(
        stored.audited, MemoryLeaderLease(), clock=clock, randomness=EvenRandomness()
    )
    async with engine.begin() as connection:
        rows = Rows(connection)
        await with_every_reference(rows, purged, removed=False)
        doomed = await with_every_reference(rows, purged, removed=True)
    before = await everything(engine)
    assert doomed < before
    clock.advance(29 * DAY_S)
    assert await job.round() == 0
    assert await everything(engine) == before
    clock.advance(2 * DAY_S)
    assert await job.round() == 1
    assert await everything(engine) == before - doomed
    (event,) = await stored.archive.search(AuditFilter(), before=None, limit=9)
    assert event.entry().action in ("user.purge", "provider.purge", "key.purge")


async def with_every_reference(rows: Rows, purged: str, *, removed: bool) -> set[Row]:
    """Make an object and a row for each foreign key to it; return all of these."""
    mark = {"deleted_at": NOW_MS} if removed else {}
    target = await rows.add(TABLES[purged], **mark)
    made = {key_of(purged, target)}
    for name, column, referred in references():
        if referred != purged or (name == "routes" and removed):
            continue  # a route keeps its provider from being removed
        given = {column: target["id"]}
        if (name, referred) == ("api_keys", "api_keys"):
            if column != "parent_id":
                continue  # the other half of the same constraint
            given |= {"lineage_id": target["id"], "owner_id": target["owner_id"], **mark}
        made.add(key_of(name, await rows.add(TABLES[name], **given)))
    return made


def key_of(table: str, row: dict[str, Any]) -> Row:
    return table, tuple(str(row[column.name]) for column in TABLES[table].primary_key.columns)


async def test_on_day_29_a_user_is_back_with_the_keys_and_on_day_31_not(
    stored: Configuration, engine: AsyncEngine
) -> None:
    clock = ManualClock(NOW_MS)
    async with engine.begin() as connection:
        rows = Rows(connection)
        early = await rows.add(TABLES["users"], deleted_at=NOW_MS)
        key = await rows.add(TABLES["api_keys"], owner_id=early["id"])
        late = await rows.add(TABLES["users"], deleted_at=NOW_MS)
        provider = await rows.add(TABLES["providers"], deleted_at=NOW_MS)
    users = people_services(stored.audited, clock).users
    providers = catalog_services(stored.audited, clock).providers
    clock.advance(29 * DAY_S)
    assert (await users.restore(OPERATOR, early["id"])).view.email == early["email"]
    await providers.restore(OPERATOR, provider["id"])
    clock.advance(2 * DAY_S)
    with pytest.raises(NotFound):
        await users.restore(OPERATOR, late["id"])
    with pytest.raises(NotFound):
        await providers.restore(OPERATOR, provider["id"])
    async with stored.uow.begin() as tx:
        assert await tx.keys.find(key["id"]) is not None
        assert [each.id for each in await tx.providers.all()] == [provider["id"]]


async def test_who_does_not_hold_the_lease_purges_nothing(
    stored: Configuration, engine: AsyncEngine
) -> None:
    lease = SqlLeaderLease(engine)
    async with engine.begin() as connection:
        await Rows(connection).add(TABLES["users"], deleted_at=NOW_MS)
    clock = ManualClock(NOW_MS + 31 * DAY_S * 1000)
    job = PurgeRemoved(stored.audited, lease, clock=clock, randomness=EvenRandomness())
    async with lease.hold("purge-removed"):
        assert await job.round() == 0
    assert await job.round() == 1
