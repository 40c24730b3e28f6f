"""Alerts of budgets, each stored once.

Revision ID: 0003
Revises: 0002
"""

from alembic import op
import sqlalchemy as sa

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_alerts",
        sa.Column("limit_id", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("period_id", sa.Text(), nullable=False),
        sa.Column("percent", sa.SmallInteger(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("limit_value", sa.BigInteger(), nullable=False),
        sa.Column("shadow", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "limit_id",
            "subject_kind",
            "subject_id",
            "period_id",
            "percent",
            name="pk_budget_alerts",
        ),
    )
    op.create_index("ix_budget_alerts_occurred_at", "budget_alerts", ["occurred_at"])


def downgrade() -> None:
    op.drop_index("ix_budget_alerts_occurred_at", table_name="budget_alerts")
    op.drop_table("budget_alerts")
