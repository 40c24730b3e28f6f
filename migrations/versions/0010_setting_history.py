"""Staged settings and the history of settings.

Revision ID: 0010
Revises: 0009
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_SCALAR = "jsonb_typeof({0}) IN ('boolean', 'number', 'string')"


def upgrade() -> None:
    op.create_table(
        "staged_settings",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("base", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("staged_by", sa.Text(), nullable=False),
        sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint(_SCALAR.format("value"), name=op.f("ck_staged_settings_value")),
        sa.CheckConstraint(_SCALAR.format("base"), name=op.f("ck_staged_settings_base")),
        sa.PrimaryKeyConstraint("key", name="pk_staged_settings"),
    )
    op.create_table(
        "setting_revisions",
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changes", postgresql.JSONB(), nullable=False),
        sa.Column("values", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("revision > 0", name=op.f("ck_setting_revisions_revision")),
        sa.CheckConstraint(
            "length(reason) BETWEEN 1 AND 2000", name=op.f("ck_setting_revisions_reason_length")
        ),
        sa.PrimaryKeyConstraint("revision", name="pk_setting_revisions"),
    )
    # What was set before there was a history can be gone back to as well.
    op.execute(
        """
        INSERT INTO setting_revisions
            (revision, at, actor_kind, actor_id, actor_name, reason, changes, "values")
        SELECT 1, now(), 'system', 'migration', 'migration', 'as it was when the history began',
            jsonb_agg(jsonb_build_object('key', key, 'before', NULL, 'after', value) ORDER BY key),
            jsonb_object_agg(key, value)
        FROM settings HAVING count(*) > 0
        """
    )


def downgrade() -> None:
    op.drop_table("setting_revisions")
    op.drop_table("staged_settings")
