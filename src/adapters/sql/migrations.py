"""Schema migrations with plain Alembic; its scripts are in `migrations/`."""

import io
from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from msgspec import Struct
from sqlalchemy import Connection, text

from adapters.sql.engine import create_engine
from adapters.sql.errors import database_errors
from domain.errors import InvalidRequest

_STATEMENT_TIMEOUT = 600.0
_TOTAL_TIMEOUT = 900.0
_LOCK = 0x7477_6D69_6772_6174  # "twmigrat": the advisory lock that serialises migrations


class MigrationState(Struct, frozen=True):
    """Revision of the database (None: empty) and the newest revision this program knows.

    `ahead`: a newer program brought the schema to a revision that this one does not know. Changes
    of the schema leave the version before them working, so that replicas can be renewed one by one.
    """

    current: str | None
    head: str
    ahead: bool = False

    @property
    def is_current(self) -> bool:
        """Tell whether nothing is left to do."""
        return self.current == self.head


def scripts_directory() -> Path:
    """Return where the scripts are: beside `entrypoints` in a wheel, in the root of a checkout."""
    root = Path(__file__).resolve().parents[2]
    packaged = root / "entrypoints" / "migrations"
    return packaged if packaged.is_dir() else root.parent / "migrations"


def _config() -> Config:
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(scripts_directory()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


async def upgrade(url: str, to: str = "head") -> None:
    """Bring the schema up to a revision, all or nothing; waits for another replica doing the same.

    Raises:
        InvalidRequest: no such revision, or the database is of a newer program.
        Conflict: a table stayed locked for too long.
        ServiceUnavailable: the database cannot be reached.
    """
    await _run(url, lambda config: command.upgrade(config, to))


async def downgrade(url: str, to: str) -> None:
    """Take the schema back to a revision (`base`: empty it). Raises like `upgrade`."""
    await _run(url, lambda config: command.downgrade(config, to))


async def state(url: str) -> MigrationState:
    """Return where the schema is and where it should be. Raises `ServiceUnavailable`."""
    scripts = ScriptDirectory.from_config(_config())
    head = scripts.get_current_head()
    assert head is not None, "there is at least one migration"
    engine = create_engine(url, pool_size=0)
    async with database_errors(), engine.connect() as connection:
        current = await connection.run_sync(
            lambda sync: MigrationContext.configure(sync).get_current_revision()
        )
    known = {script.revision for script in scripts.walk_revisions()}
    return MigrationState(current, head, ahead=current is not None and current not in known)


def sql() -> str:
    """Return the SQL of all migrations, for databases that only an administrator may change."""
    config = _config()
    config.output_buffer = io.StringIO()
    command.upgrade(config, "head", sql=True)
    return config.output_buffer.getvalue()


async def _run(url: str, action: Callable[[Config], None]) -> None:
    engine = create_engine(url, pool_size=0, statement_timeout=_STATEMENT_TIMEOUT)

    def work(connection: Connection) -> None:
        # Taken before Alembic looks at anything (its context is global to the process), and given
        # back by the end of the transaction: whoever comes second finds nothing left to do.
        connection.execute(text("SET LOCAL lock_timeout = '120s'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        action(config)

    try:
        async with database_errors(_TOTAL_TIMEOUT), engine.connect() as connection:
            await connection.run_sync(work)
            await connection.commit()
    except CommandError as error:
        raise InvalidRequest(f"The schema cannot be migrated: {error}") from error
