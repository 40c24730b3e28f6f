"""Staged settings and revisions of settings."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Millis

_SCALAR = "jsonb_typeof({0}) IN ('boolean', 'number', 'string')"


class StagedSettingRow(Base):
    """A value that waits to be applied; NULL goes back to the default."""

    __tablename__ = "staged_settings"
    __table_args__ = (
        CheckConstraint(_SCALAR.format("value"), name="value"),
        CheckConstraint(_SCALAR.format("base"), name="base"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bool | int | str | None] = mapped_column(JSONB(none_as_null=True))
    base: Mapped[bool | int | str | None] = mapped_column(JSONB(none_as_null=True))
    staged_by: Mapped[str]
    staged_at: Mapped[Millis]
    reason: Mapped[str | None]


class SettingRevisionRow(Base):
    """One change of stored settings, with everything that was stored after it."""

    __tablename__ = "setting_revisions"
    __table_args__ = (
        CheckConstraint("revision > 0", name="revision"),
        CheckConstraint("length(reason) BETWEEN 1 AND 2000", name="reason_length"),
    )

    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[Millis]
    actor_kind: Mapped[str]
    actor_id: Mapped[str]
    actor_name: Mapped[str]
    reason: Mapped[str]
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    values: Mapped[dict[str, Any]] = mapped_column(JSONB)
