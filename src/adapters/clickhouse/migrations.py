"""The schema of the log store: numbered SQL files, applied once each, in order."""

import hashlib
from pathlib import Path

from clickhouse_connect.driver.client import Client
from msgspec import Struct

from adapters.clickhouse.client import ClickHouse
from domain.errors import Conflict

VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_versions
(`version` UInt32, `name` String, `checksum` String, `applied_at` DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY version
"""


class Migration(Struct, frozen=True):
    """One file: `0001_requests.sql` is version 1."""

    version: int
    name: str
    statements: tuple[str, ...]
    checksum: str


def read_migrations(directory: Path) -> list[Migration]:
    """Return the migrations in `directory` in order.

    A statement ends with a semicolon at the end of a line; lines starting with `--` are comments.

    Raises:
        ValueError: a file name without a number, or a number twice.
    """
    migrations: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        number, _, _ = path.stem.partition("_")
        if not number.isdigit() or (migrations and migrations[-1].version == int(number)):
            raise ValueError(f"{path.name}: every migration needs a number of its own")
        text = path.read_text(encoding="utf-8")
        code = "\n".join(line for line in text.splitlines() if not line.startswith("--"))
        statements = tuple(part.strip() for part in code.split(";\n") if part.strip("; \n"))
        migrations.append(
            Migration(
                version=int(number),
                name=path.stem,
                statements=tuple(statement.rstrip(";") for statement in statements),
                checksum=hashlib.sha256(code.encode()).hexdigest(),
            )
        )
    return migrations


async def migrate(clickhouse: ClickHouse, directory: Path) -> list[str]:
    """Bring the schema up to date; return the names of what was applied.

    Safe to run from several processes at once: every statement can be repeated.

    Raises:
        ServiceUnavailable: ClickHouse cannot be reached.
        Conflict: a migration that was applied has been edited since.
    """
    migrations = read_migrations(directory)
    return await clickhouse.run(lambda client: _apply(client, clickhouse.database, migrations))


async def pending(clickhouse: ClickHouse, directory: Path) -> list[str]:
    """Return the names of the migrations not applied yet. Raises like `migrate`."""
    migrations = read_migrations(directory)

    def ask(client: Client) -> list[str]:
        if not _has_versions(client, clickhouse.database):
            return [migration.name for migration in migrations]
        return [migration.name for migration in _missing(client, migrations)]

    return await clickhouse.run(ask)


def _apply(client: Client, database: str, migrations: list[Migration]) -> list[str]:
    if not _has_database(client, database):
        client.command(
            "CREATE DATABASE IF NOT EXISTS {name:Identifier}",
            {"name": database},
            use_database=False,
        )
    client.command(VERSIONS)
    missing = _missing(client, migrations)
    for migration in missing:
        for statement in migration.statements:
            client.command(statement)
        client.command(
            "INSERT INTO schema_versions (version, name, checksum) "
            "SELECT {version:UInt32}, {name:String}, {checksum:String}",
            {
                "version": migration.version,
                "name": migration.name,
                "checksum": migration.checksum,
            },
        )
    return [migration.name for migration in missing]


def _missing(client: Client, migrations: list[Migration]) -> list[Migration]:
    rows = client.query("SELECT version, checksum FROM schema_versions FINAL").result_rows
    applied = {int(version): str(checksum) for version, checksum in rows}
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise Conflict(f"The ClickHouse migration {migration.name} was changed after its use.")
    return [migration for migration in migrations if migration.version not in applied]


def _has_database(client: Client, database: str) -> bool:
    found = client.command(
        "SELECT count() FROM system.databases WHERE name = {name:String}",
        {"name": database},
        use_database=False,
    )
    return found == 1


def _has_versions(client: Client, database: str) -> bool:
    found = client.command(
        "SELECT count() FROM system.tables "
        "WHERE database = {name:String} AND name = 'schema_versions'",
        {"name": database},
        use_database=False,
    )
    return found == 1
