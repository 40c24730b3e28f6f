"""Settings, and the revision counters that tell replicas what changed."""

from sqlalchemy import CheckConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base


class SettingRow(Base):
    """A setting that was set on purpose; the catalogue of keys and bounds is in the domain."""

    __tablename__ = "settings"
    __table_args__ = (
        CheckConstraint("jsonb_typeof(value) IN ('boolean', 'number', 'string')", name="scalar"),
    )

    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bool | int | str] = mapped_column(JSONB)


class ConfigRevisionRow(Base):
    """Grows by one in every transaction that changes the section."""

    __tablename__ = "config_revisions"
    __table_args__ = (CheckConstraint("revision > 0", name="revision"),)

    section: Mapped[str] = mapped_column(primary_key=True)
    revision: Mapped[int]
