"""Sign-in through identity providers: providers, linked identities, sign-ins under way.

Revision ID: 0008
Revises: 0007
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sso_providers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("preset", sa.Text(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sealed_client_secret", sa.Text(), nullable=True),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("allowed_domains", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("group_claim", sa.Text(), nullable=True),
        sa.Column("group_roles", postgresql.JSONB(), nullable=False),
        sa.Column("group_teams", postgresql.JSONB(), nullable=False),
        sa.Column("default_role", sa.Text(), nullable=True),
        sa.Column("provisions", sa.Boolean(), nullable=False),
        sa.Column("link_by_email", sa.Boolean(), nullable=False),
        sa.Column("ends_session", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("connection", sa.BigInteger(), nullable=False),
        sa.Column("discovered", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "length(name) BETWEEN 1 AND 63", name=op.f("ck_sso_providers_name_length")
        ),
        sa.CheckConstraint("preset ~ '^[a-z][a-z0-9_]*$'", name=op.f("ck_sso_providers_preset")),
        sa.CheckConstraint(
            "sealed_client_secret LIKE 'v1.%'", name=op.f("ck_sso_providers_client_secret_sealed")
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'active', 'disabled')", name=op.f("ck_sso_providers_state")
        ),
        sa.CheckConstraint(
            "state <> 'active' OR (discovered IS NOT NULL AND tested_at IS NOT NULL)",
            name=op.f("ck_sso_providers_active_is_tested"),
        ),
        sa.CheckConstraint(
            "least(revision, connection) > 0", name=op.f("ck_sso_providers_revision")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sso_providers"),
    )
    op.create_index("uq_sso_providers_name", "sso_providers", ["name"], unique=True)
    op.create_table(
        "sso_identities",
        sa.Column("provider_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("linked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["sso_providers.id"],
            name="fk_sso_identities_provider_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_sso_identities_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider_id", "issuer", "subject", name="pk_sso_identities"),
    )
    op.create_index(
        "uq_sso_identities_user",
        "sso_identities",
        ["user_id", "provider_id", "issuer"],
        unique=True,
    )
    op.create_table(
        "sso_attempts",
        sa.Column("state_hash", sa.LargeBinary(), nullable=False),
        sa.Column("binding_hash", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("sealed_verifier", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("connection", sa.BigInteger(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("redirect_uri", sa.Text(), nullable=False),
        sa.Column("return_path", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "purpose IN ('login', 'test', 'link')", name=op.f("ck_sso_attempts_purpose")
        ),
        sa.CheckConstraint(
            "(purpose = 'login') = (actor_id IS NULL)", name=op.f("ck_sso_attempts_actor")
        ),
        sa.CheckConstraint(
            "sealed_verifier LIKE 'v1.%'", name=op.f("ck_sso_attempts_verifier_sealed")
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"],
            ["sso_providers.id"],
            name="fk_sso_attempts_provider_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["users.id"], name="fk_sso_attempts_actor_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("state_hash", name="pk_sso_attempts"),
    )
    for column in ("expires_at", "provider_id", "actor_id"):
        op.create_index(f"ix_sso_attempts_{column}", "sso_attempts", [column])


def downgrade() -> None:
    op.drop_table("sso_attempts")
    op.drop_table("sso_identities")
    op.drop_table("sso_providers")
