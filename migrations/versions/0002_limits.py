"""Defaults for members of teams and roles, concurrency caps, overrides, output caps of models.

Revision ID: 0002
Revises: 0001
"""

from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_OLD = "'api_key', 'user', 'team', 'provider', 'model'"
_SUBJECTS = "'api_key', 'user', 'team', 'model', 'provider', 'mcp_server', 'platform'"
_HOLDERS = f"{_SUBJECTS}, 'team_members', 'role_members'"
_HOLDERS_WITH_COST = (
    "'api_key', 'user', 'team', 'model', 'provider', 'platform', 'team_members', 'role_members'"
)
_SUBJECT_HAS_SURFACE = (
    "CASE subject_kind WHEN 'provider' THEN surface = 'ai_gateway'"
    " WHEN 'model' THEN surface = 'ai_gateway'"
    " WHEN 'mcp_server' THEN surface = 'mcp_gateway' ELSE true END"
)
_EXACT = "limit_value BETWEEN 0 AND 9007199254740991"


def _replace_check(table: str, name: str, condition: str) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table, type_="check")
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition)


def upgrade() -> None:
    _replace_check("limit_rules", "subject_kind", f"subject_kind IN ({_HOLDERS})")
    _replace_check("budget_caps", "subject_kind", f"subject_kind IN ({_HOLDERS_WITH_COST})")
    for table in ("limit_rules", "budget_caps"):
        op.execute(
            f"UPDATE {table} SET limit_value = 9007199254740991 WHERE limit_value > 9007199254740991"
        )
        _replace_check(table, "limit_value", _EXACT)
    op.execute("DELETE FROM limit_rules WHERE metric = 'tokens' AND surface = 'mcp_gateway'")
    op.create_check_constraint(
        op.f("ck_limit_rules_tokens_are_ai"),
        "limit_rules",
        "metric = 'requests' OR surface = 'ai_gateway'",
    )
    op.add_column(
        "budget_caps",
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False, server_default="{}"),
    )
    op.add_column("models", sa.Column("max_output_tokens", sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_models_max_output_tokens"), "models", "max_output_tokens > 0"
    )
    op.create_table(
        "concurrency_caps",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            f"subject_kind IN ({_HOLDERS})", name=op.f("ck_concurrency_caps_subject_kind")
        ),
        sa.CheckConstraint(
            "surface IN ('ai_gateway', 'mcp_gateway')", name=op.f("ck_concurrency_caps_surface")
        ),
        sa.CheckConstraint(
            _SUBJECT_HAS_SURFACE, name=op.f("ck_concurrency_caps_subject_has_surface")
        ),
        sa.CheckConstraint(_EXACT, name=op.f("ck_concurrency_caps_limit_value")),
        sa.CheckConstraint("mode IN ('enforce', 'shadow')", name=op.f("ck_concurrency_caps_mode")),
        sa.PrimaryKeyConstraint("id", name="pk_concurrency_caps"),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "surface", name="uq_concurrency_caps_target"
        ),
    )
    op.create_table(
        "limit_overrides",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("limit_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.BigInteger(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            f"subject_kind IN ({_SUBJECTS})", name=op.f("ck_limit_overrides_subject_kind")
        ),
        sa.CheckConstraint(
            "action IN ('replace', 'tighten')", name=op.f("ck_limit_overrides_action")
        ),
        sa.CheckConstraint(_EXACT, name=op.f("ck_limit_overrides_limit_value")),
        sa.CheckConstraint("length(btrim(reason)) > 0", name=op.f("ck_limit_overrides_reason")),
        sa.CheckConstraint("length(set_by) > 0", name=op.f("ck_limit_overrides_set_by")),
        sa.CheckConstraint(
            "until_at IS NOT NULL OR action = 'tighten'",
            name=op.f("ck_limit_overrides_replace_ends"),
        ),
        sa.CheckConstraint(
            "until_at > set_at AND until_at - set_at <= INTERVAL '90 days'",
            name=op.f("ck_limit_overrides_ends_in_90_days"),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_limit_overrides"),
    )
    op.create_index("ix_limit_overrides_limit_id", "limit_overrides", ["limit_id"])


def downgrade() -> None:
    op.drop_table("limit_overrides")
    op.drop_table("concurrency_caps")
    op.drop_constraint(op.f("ck_models_max_output_tokens"), "models", type_="check")
    op.drop_column("models", "max_output_tokens")
    op.drop_column("budget_caps", "channels")
    op.drop_constraint(op.f("ck_limit_rules_tokens_are_ai"), "limit_rules", type_="check")
    for table, kinds in (
        ("limit_rules", f"{_OLD}, 'mcp_server', 'platform'"),
        ("budget_caps", f"{_OLD}, 'platform'"),
    ):
        op.execute(f"DELETE FROM {table} WHERE subject_kind IN ('team_members', 'role_members')")
        _replace_check(table, "subject_kind", f"subject_kind IN ({kinds})")
        _replace_check(table, "limit_value", "limit_value BETWEEN 0 AND 9007199254740992")
