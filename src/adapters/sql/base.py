"""The declarative base of our tables, and column types in domain units."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from advanced_alchemy.base import CommonTableAttributes
from sqlalchemy import BigInteger, DateTime, Dialect, MetaData, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class UnixMillis(TypeDecorator[int]):
    """`timestamptz` in the database, Unix milliseconds in the program."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Exact in both directions: `timestamptz` keeps microseconds."""
        return None if value is None else _EPOCH + timedelta(milliseconds=value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Floor to milliseconds; only the program writes these columns, in milliseconds."""
        return None if value is None else (value - _EPOCH) // timedelta(milliseconds=1)


type_annotations = {str: Text(), int: BigInteger()}
Id = Annotated[str, mapped_column(Uuid(as_uuid=False))]
PrimaryId = Annotated[str, mapped_column(Uuid(as_uuid=False), primary_key=True)]
Millis = Annotated[int, mapped_column(UnixMillis())]


class Base(CommonTableAttributes, DeclarativeBase):
    """Composed here instead of using a ready-made base: those add a sentinel column to every table.

    Ids come from the `IdGenerator` port, never from the database.
    """

    __abstract__ = True
    type_annotation_map = type_annotations
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
