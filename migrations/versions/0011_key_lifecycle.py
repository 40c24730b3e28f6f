"""Tools and permissions of keys, warnings before they expire, secrets that wait for their owners.

Revision ID: 0011
Revises: 0010
"""

from alembic import op
import sqlalchemy as sa

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("tools", sa.ARRAY(sa.Text()), nullable=True))
    op.add_column("api_keys", sa.Column("permissions", sa.ARRAY(sa.Text()), nullable=True))
    op.create_check_constraint(
        op.f("ck_api_keys_permissions"), "api_keys", "cardinality(permissions) > 0"
    )
    op.create_index(
        "ix_api_keys_expires_at",
        "api_keys",
        ["expires_at"],
        postgresql_where=sa.text("state = 'active' AND deleted_at IS NULL"),
    )
    op.create_index(
        "ix_api_keys_grace_ends_at",
        "api_keys",
        ["grace_ends_at"],
        postgresql_where=sa.text("state = 'rotated'"),
    )
    op.create_index(
        "ix_api_keys_deleted_at",
        "api_keys",
        ["deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_table(
        "key_warnings",
        sa.Column("lineage_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("days", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lineage_id"],
            ["api_keys.id"],
            name="fk_key_warnings_lineage_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("lineage_id", "expires_at", "days", name="pk_key_warnings"),
    )
    op.create_table(
        "key_handovers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("key_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_token", sa.Text(), nullable=True),
        sa.Column("sealed_secret", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("old_works_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "octet_length(token_hash) = 32", name=op.f("ck_key_handovers_token_is_sha256")
        ),
        sa.CheckConstraint(
            "num_nonnulls(sealed_token, sealed_secret) = CASE WHEN taken_at IS NULL THEN 2 ELSE 0"
            " END",
            name=op.f("ck_key_handovers_secret_until_taken"),
        ),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name="fk_key_handovers_key_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_key_handovers"),
    )
    op.create_index("uq_key_handovers_token", "key_handovers", ["token_hash"], unique=True)
    op.create_index("uq_key_handovers_key", "key_handovers", ["key_id"], unique=True)
    op.create_index(
        "ix_key_handovers_waiting",
        "key_handovers",
        ["id"],
        postgresql_where=sa.text("taken_at IS NULL"),
    )


def downgrade() -> None:
    # What the program of the version before does not know of opens everything there: what these
    # keys were confined to is gone.
    op.execute("UPDATE api_keys SET state = 'revoked' WHERE permissions IS NOT NULL")
    op.execute("UPDATE api_keys SET state = 'revoked' WHERE tools IS NOT NULL")
    op.drop_table("key_handovers")
    op.drop_table("key_warnings")
    for name in ("deleted_at", "grace_ends_at", "expires_at"):
        op.drop_index(f"ix_api_keys_{name}", "api_keys")
    op.drop_constraint(op.f("ck_api_keys_permissions"), "api_keys", type_="check")
    op.drop_column("api_keys", "permissions")
    op.drop_column("api_keys", "tools")
