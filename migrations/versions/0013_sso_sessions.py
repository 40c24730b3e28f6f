"""The identity provider a session came from, for signing out there too.

Revision ID: 0013
Revises: 0012
"""

from alembic import op
import sqlalchemy as sa

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("sso_provider_id", sa.Uuid(as_uuid=False), nullable=True))
    op.add_column("sessions", sa.Column("sealed_id_token", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("ck_sessions_sso"), "sessions", "method = 'sso' OR sso_provider_id IS NULL"
    )
    op.create_check_constraint(
        op.f("ck_sessions_id_token_sealed"), "sessions", "sealed_id_token LIKE 'v1.%'"
    )


def downgrade() -> None:
    op.drop_constraint(op.f("ck_sessions_id_token_sealed"), "sessions")
    op.drop_constraint(op.f("ck_sessions_sso"), "sessions")
    op.drop_column("sessions", "sealed_id_token")
    op.drop_column("sessions", "sso_provider_id")
