"""Roles, assignments, kinds of users, and the hash-chained audit trail.

Revision ID: 0007
Revises: 0006
"""

from alembic import op
import sqlalchemy as sa

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BUILT_IN = ("super_admin", "admin", "team_manager", "developer", "viewer")
_MEMBERS = {
    "event_id": "id",
    "actor_id": "actor_id",
    "actor_name": "actor_name",
    "action": "action",
    "target_kind": "target,kind",
    "target_id": "target,id",
    "target_name": "target,name",
    "outcome": "outcome",
    "ip": "ip",
    "request_id": "request_id",
}


def upgrade() -> None:
    _roles()
    _users()
    _assignments()
    _audit()


def _roles() -> None:
    empty = sa.text("'{}'")
    op.create_table(
        "roles",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("allow", sa.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("deny", sa.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("models", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("denied_models", sa.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("tools", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("denied_tools", sa.ARRAY(sa.Text()), server_default=empty, nullable=False),
        sa.Column("builtin", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("name ~ '^[a-z][a-z0-9_-]{1,62}$'", name=op.f("ck_roles_name_form")),
        sa.CheckConstraint("length(description) <= 500", name=op.f("ck_roles_description_length")),
        sa.PrimaryKeyConstraint("name", name="pk_roles"),
    )
    for name in _BUILT_IN:
        op.execute(
            sa.text(
                "INSERT INTO roles (name, builtin, created_at) VALUES (:name, true, now())"
            ).bindparams(name=name)
        )


def _users() -> None:
    op.drop_constraint(op.f("ck_users_role"), "users", type_="check")
    op.create_foreign_key(
        "fk_users_role", "users", "roles", ["role"], ["name"], ondelete="RESTRICT"
    )
    # Defaults stay: programs of the version before go on writing rows while replicas are replaced.
    op.add_column("users", sa.Column("kind", sa.Text(), server_default="person", nullable=False))
    op.add_column("users", sa.Column("display_name", sa.Text(), nullable=True))
    op.add_column(
        "users",
        sa.Column(
            "must_change_password", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
    )
    op.add_column("users", sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True))
    # Those that a downgrade made persons of, because nothing else could be told from then on.
    op.execute("UPDATE users SET kind = 'service' WHERE email LIKE '%@service.invalid'")
    op.create_check_constraint(op.f("ck_users_kind"), "users", "kind IN ('person', 'service')")
    op.create_check_constraint(
        op.f("ck_users_display_name_length"), "users", "length(display_name) BETWEEN 1 AND 100"
    )


def _assignments() -> None:
    op.create_table(
        "role_assignments",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "num_nonnulls(user_id, team_id) > 0", name=op.f("ck_role_assignments_somebody")
        ),
        sa.ForeignKeyConstraint(
            ["role"], ["roles.name"], name="fk_role_assignments_role", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name="fk_role_assignments_team_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_role_assignments_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_role_assignments"),
        sa.UniqueConstraint(
            "role",
            "user_id",
            "team_id",
            name="uq_role_assignments_target",
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index("ix_role_assignments_user_id", "role_assignments", ["user_id"])
    op.create_index("ix_role_assignments_team_id", "role_assignments", ["team_id"])


def _audit() -> None:
    op.create_table(
        "audit_events",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("previous_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "at_ms",
            sa.BigInteger(),
            sa.Computed("((content::jsonb #>> '{entry,at_ms}')::bigint)", persisted=True),
            nullable=True,
        ),
        *(
            sa.Column(
                column,
                sa.Text(),
                sa.Computed(f"(content::jsonb #>> '{{entry,{path}}}')", persisted=True),
                nullable=True,
            )
            for column, path in _MEMBERS.items()
        ),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_audit_events_hash_is_sha256")),
        sa.CheckConstraint(
            "octet_length(previous_hash) = 32",
            name=op.f("ck_audit_events_previous_hash_is_sha256"),
        ),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_events"),
    )
    for columns in (["actor_id", "sequence"], ["action", "sequence"], ["target_id", "sequence"]):
        op.create_index(f"ix_audit_events_{'_'.join(columns)}", "audit_events", columns)
    op.create_index("ix_audit_events_at_ms", "audit_events", ["at_ms"])
    op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_one_row")),
        sa.PrimaryKeyConstraint("id", name="pk_audit_head"),
    )
    op.execute("INSERT INTO audit_head VALUES (1, 0, decode(repeat('00', 32), 'hex'))")
    op.create_table(
        "audit_checkpoints",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_checkpoints"),
    )
    op.execute(
        """
        CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'the audit trail is only ever added to';
        END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_events_only_grow
        BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit()
        """
    )


def downgrade() -> None:
    op.drop_table("audit_checkpoints")
    op.drop_table("audit_head")
    op.drop_table("audit_events")
    op.execute("DROP FUNCTION refuse_change_of_audit()")
    op.drop_table("role_assignments")
    op.drop_constraint(op.f("ck_users_display_name_length"), "users", type_="check")
    op.drop_constraint(op.f("ck_users_kind"), "users", type_="check")
    # A person made of a service account could sign in, and a role nobody knows means nothing.
    op.execute("UPDATE users SET state = 'deactivated' WHERE kind = 'service'")
    op.execute(
        "UPDATE users SET role = 'viewer' WHERE role IN (SELECT name FROM roles WHERE NOT builtin)"
    )
    for column in ("last_sign_in_at", "must_change_password", "display_name", "kind"):
        op.drop_column("users", column)
    op.drop_constraint("fk_users_role", "users", type_="foreignkey")
    op.create_check_constraint(
        op.f("ck_users_role"),
        "users",
        "role IN ('super_admin', 'admin', 'team_manager', 'developer', 'viewer')",
    )
    op.drop_table("roles")
