"""Runs migrations in the open transaction that `adapters.sql.migrations` hands over.

One transaction for all: a failing migration leaves the schema as it was. A migration that cannot get
a table lock within five seconds gives up instead of stalling traffic.
"""

from alembic import context
from sqlalchemy import text

from adapters.sql.base import Base
import adapters.sql.tables  # registers every table with the metadata


def run_on(connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        transaction_per_migration=False,
        compare_type=True,
    )
    with context.begin_transaction():
        connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        context.run_migrations()


def print_sql() -> None:
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.execute("SET LOCAL lock_timeout = '5s'")
        context.run_migrations()


if context.is_offline_mode():
    print_sql()
else:
    run_on(context.config.attributes["connection"])
