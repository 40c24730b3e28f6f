"""API keys: one row per secret, rows of one lineage linked by `parent_id`."""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import CIDR, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId

_ACTIVE = text("state = 'active' AND deleted_at IS NULL")


class ApiKeyRow(Base):
    """A key. The constraints are what makes concurrent rotations end with one child.

    Two rotations of one key collide on `uq_api_keys_parent_id`; two active keys of a lineage on
    `uq_api_keys_active_lineage`; a secret used before, by whatever key, on `uq_api_keys_hash`.
    """

    __tablename__ = "api_keys"
    __table_args__ = (
        UniqueConstraint("secret_hash", name="uq_api_keys_hash"),
        UniqueConstraint("parent_id", name="uq_api_keys_parent_id"),
        UniqueConstraint("id", "lineage_id", name="uq_api_keys_id_lineage"),
        ForeignKeyConstraint(
            ["parent_id", "lineage_id"],
            ["api_keys.id", "api_keys.lineage_id"],
            name="fk_api_keys_parent_lineage",
            ondelete="RESTRICT",
        ),
        CheckConstraint("(parent_id IS NULL) = (lineage_id = id)", name="root_names_lineage"),
        CheckConstraint("octet_length(secret_hash) = 32", name="hash_is_sha256"),
        CheckConstraint("length(prefix) = 11", name="prefix_length"),
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        CheckConstraint("state IN ('active', 'rotated', 'revoked')", name="state"),
        CheckConstraint("state <> 'rotated' OR grace_ends_at IS NOT NULL", name="rotated_grace"),
        CheckConstraint("state <> 'active' OR grace_ends_at IS NULL", name="active_no_grace"),
        CheckConstraint(
            "cardinality(surfaces) > 0"
            " AND surfaces <@ ARRAY['ai_gateway', 'mcp_gateway', 'console']",
            name="surfaces",
        ),
        CheckConstraint(
            "NOT 'console' = ANY (surfaces) OR expires_at IS NOT NULL", name="console_expires"
        ),
        CheckConstraint("cardinality(permissions) > 0", name="permissions"),
        CheckConstraint("inactivity_ms > 0", name="inactivity"),
        CheckConstraint("rotation_period_ms > 0", name="rotation_period"),
        CheckConstraint("cardinality(ip_allow) > 0", name="ip_allow"),
        CheckConstraint("jsonb_typeof(tags) = 'object'", name="tags"),
        Index("uq_api_keys_active_lineage", "lineage_id", unique=True, postgresql_where=_ACTIVE),
        Index("uq_api_keys_active_name", "owner_id", "name", unique=True, postgresql_where=_ACTIVE),
        Index(None, "lineage_id"),
        Index(None, "owner_id"),
        Index("ix_api_keys_expires_at", "expires_at", postgresql_where=_ACTIVE),
        Index(
            "ix_api_keys_grace_ends_at",
            "grace_ends_at",
            postgresql_where=text("state = 'rotated'"),
        ),
        Index(
            "ix_api_keys_deleted_at",
            "deleted_at",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
    )

    id: Mapped[PrimaryId]
    lineage_id: Mapped[Id]
    parent_id: Mapped[Id | None]
    owner_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    name: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    prefix: Mapped[str]
    state: Mapped[str]
    surfaces: Mapped[list[str]] = mapped_column(ARRAY(Text))
    models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    tools: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    permissions: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    ip_allow: Mapped[list[str] | None] = mapped_column(ARRAY(CIDR))
    cost_centre: Mapped[str | None]
    tags: Mapped[dict[str, str]] = mapped_column(JSONB)
    inactivity_ms: Mapped[int | None]
    rotation_period_ms: Mapped[int | None]
    expires_at: Mapped[Millis | None]
    grace_ends_at: Mapped[Millis | None]
    created_at: Mapped[Millis]
    last_used_at: Mapped[Millis | None]
    deleted_at: Mapped[Millis | None]


class ApiKeyTeamRow(Base):
    """A team that a key counts for."""

    __tablename__ = "api_key_teams"
    __table_args__ = (Index(None, "team_id"),)

    key_id: Mapped[Id] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True
    )
    team_id: Mapped[Id] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True
    )
