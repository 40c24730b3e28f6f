"""From when on a budget is charged as requests are settled.

Revision ID: 0005
Revises: 0004
"""

from alembic import op
import sqlalchemy as sa

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "budget_caps", sa.Column("counts_from", sa.DateTime(timezone=True), nullable=True)
    )
    op.execute("UPDATE budget_caps SET counts_from = created_at")
    op.alter_column("budget_caps", "counts_from", nullable=False)


def downgrade() -> None:
    op.drop_column("budget_caps", "counts_from")
