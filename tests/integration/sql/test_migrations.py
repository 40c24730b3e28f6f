"""The schema: up, down and up again on a real PostgreSQL, and equal to what the program expects."""

import asyncio
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from adapters.sql import migrations
from adapters.sql.engine import create_engine
from adapters.sql.tables import UserRow
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.identifiers import UuidGenerator
from domain.errors import InvalidRequest, ServiceUnavailable
from tests.support.configuration import RecordingFeed
from tests.support.stores import connect_postgres

METADATA = UserRow.metadata
REVISIONS = [
    script.revision
    for script in reversed(
        list(ScriptDirectory(str(migrations.scripts_directory())).walk_revisions())
    )
]


async def tables_of(url: str) -> set[str]:
    async with connect_postgres(url) as connection:
        rows = await connection.fetch(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = 'public' AND relkind = 'r'"
        )
    return {row["relname"] for row in rows} - {"alembic_version"}


async def test_every_step_goes_up_down_and_up_again(empty_postgres_url: str) -> None:
    url = empty_postgres_url
    for index, revision in enumerate(REVISIONS):
        before = await tables_of(url)
        await migrations.upgrade(url, revision)
        after = await tables_of(url)
        await migrations.downgrade(url, REVISIONS[index - 1] if index else "base")
        assert await tables_of(url) == before
        await migrations.upgrade(url, revision)
        assert await tables_of(url) == after
    assert (await migrations.state(url)).is_current
    assert await tables_of(url) == set(METADATA.tables)


async def test_the_migrated_schema_is_the_one_the_program_expects(postgres_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, METADATA))

    engine = create_engine(postgres_url, pool_size=0)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_every_check_of_the_program_is_in_the_database(postgres_url: str) -> None:
    """Alembic compares neither CHECK constraints nor the conditions of indexes."""
    expected = {
        str(constraint.name)
        for table in METADATA.tables.values()
        for constraint in table.constraints
        if constraint.name
    }
    indexes = {str(index.name) for table in METADATA.tables.values() for index in table.indexes}
    async with connect_postgres(postgres_url) as connection:
        constraints = await connection.fetch("SELECT conname FROM pg_constraint WHERE conislocal")
        partial = await connection.fetch(
            "SELECT relname, indpred IS NOT NULL AS partial"
            " FROM pg_index JOIN pg_class ON oid = indexrelid"
        )
    assert expected <= {row["conname"] for row in constraints}
    found = {row["relname"]: row["partial"] for row in partial}
    assert indexes <= found.keys()
    assert {name for name in indexes if found[name]} == {
        str(index.name)
        for table in METADATA.tables.values()
        for index in table.indexes
        if index.dialect_options["postgresql"]["where"] is not None
    }


async def test_replicas_that_migrate_at_once_do_not_collide(empty_postgres_url: str) -> None:
    async with asyncio.timeout(60):
        await asyncio.gather(*(migrations.upgrade(empty_postgres_url) for _ in range(4)))
    assert (await migrations.state(empty_postgres_url)).is_current


async def test_a_migration_that_fails_leaves_nothing_behind(
    empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripts = tmp_path / "migrations"
    (scripts / "versions").mkdir(parents=True)
    for name in ("env.py", "script.py.mako"):
        (scripts / name).write_text((migrations.scripts_directory() / name).read_text())
    (scripts / "versions" / "0001.py").write_text(
        "from alembic import op\n"
        "revision = '0001'\ndown_revision = None\n"
        "def upgrade():\n"
        "    op.execute('CREATE TABLE half (id int)')\n"
        "    op.execute('SELECT 1/0')\n"
    )
    monkeypatch.setattr(migrations, "scripts_directory", lambda: scripts)
    with pytest.raises(Exception, match="division by zero"):
        await migrations.upgrade(empty_postgres_url)
    assert await tables_of(empty_postgres_url) == set()
    assert (await migrations.state(empty_postgres_url)).current is None


async def test_a_database_of_a_newer_program_is_told_apart(postgres_url: str) -> None:
    async with connect_postgres(postgres_url) as connection:
        await connection.execute("UPDATE alembic_version SET version_num = 'from-the-future'")
    found = await migrations.state(postgres_url)
    assert (found.is_current, found.ahead) == (False, True), "replicas of before may start again"
    with pytest.raises(InvalidRequest, match="cannot be migrated"):
        await migrations.upgrade(postgres_url)


async def test_without_a_schema_the_mend_is_told(empty_postgres_url: str) -> None:
    engine = create_engine(empty_postgres_url)
    try:
        async with SqlUnitOfWork(
            engine, RecordingFeed(), SystemClock(), UuidGenerator(), allow_unaudited=True
        ).begin() as tx:
            with pytest.raises(ServiceUnavailable, match="thinkwatch migrate"):
                await tx.users.all()
    finally:
        await engine.dispose()


async def test_the_printed_sql_makes_the_same_schema(
    empty_postgres_url: str, postgres_url: str
) -> None:
    async with connect_postgres(empty_postgres_url) as connection:
        await connection.execute(migrations.sql())
    assert await tables_of(empty_postgres_url) == await tables_of(postgres_url)
    assert (await migrations.state(empty_postgres_url)).is_current


async def test_a_locked_table_stops_a_migration_and_not_the_traffic(postgres_url: str) -> None:
    engine = create_engine(postgres_url, pool_size=0)
    async with engine.connect() as connection:
        await connection.execute(text("LOCK TABLE users IN ACCESS SHARE MODE"))
        async with asyncio.timeout(30):
            with pytest.raises(Exception, match="in progress"):
                await migrations.downgrade(postgres_url, "base")
    assert (await migrations.state(postgres_url)).is_current
