"""Users, teams, keys, providers, models, routes, prices, limits, settings, revisions.

Revision ID: 0001
Revises:
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "budget_caps",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.BigInteger(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("enforcement", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "enforcement IN ('soft', 'strict')", name=op.f("ck_budget_caps_enforcement")
        ),
        sa.CheckConstraint("mode IN ('enforce', 'shadow')", name=op.f("ck_budget_caps_mode")),
        sa.CheckConstraint(
            "period IN ('daily', 'weekly', 'monthly')", name=op.f("ck_budget_caps_period")
        ),
        sa.CheckConstraint(
            "subject_kind IN ('api_key', 'user', 'team', 'provider', 'model', 'platform')",
            name=op.f("ck_budget_caps_subject_kind"),
        ),
        sa.CheckConstraint("unit IN ('weighted_tokens', 'usd')", name=op.f("ck_budget_caps_unit")),
        sa.CheckConstraint("length(timezone) > 0", name=op.f("ck_budget_caps_timezone")),
        sa.CheckConstraint(
            "limit_value BETWEEN 0 AND 9007199254740992", name=op.f("ck_budget_caps_limit_value")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_budget_caps"),
        sa.UniqueConstraint(
            "subject_kind", "subject_id", "period", "unit", name="uq_budget_caps_target"
        ),
    )
    op.create_table(
        "config_revisions",
        sa.Column("section", sa.Text(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("revision > 0", name=op.f("ck_config_revisions_revision")),
        sa.PrimaryKeyConstraint("section", name="pk_config_revisions"),
    )
    op.create_table(
        "limit_rules",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("window_length", sa.Text(), nullable=False),
        sa.Column("limit_value", sa.BigInteger(), nullable=False),
        sa.Column("enforcement", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "CASE subject_kind WHEN 'provider' THEN surface = 'ai_gateway' WHEN 'model' THEN surface = 'ai_gateway' WHEN 'mcp_server' THEN surface = 'mcp_gateway' ELSE true END",
            name=op.f("ck_limit_rules_subject_has_surface"),
        ),
        sa.CheckConstraint(
            "enforcement = 'soft' OR metric = 'tokens'",
            name=op.f("ck_limit_rules_strict_is_for_tokens"),
        ),
        sa.CheckConstraint(
            "enforcement IN ('soft', 'strict')", name=op.f("ck_limit_rules_enforcement")
        ),
        sa.CheckConstraint("metric IN ('requests', 'tokens')", name=op.f("ck_limit_rules_metric")),
        sa.CheckConstraint("mode IN ('enforce', 'shadow')", name=op.f("ck_limit_rules_mode")),
        sa.CheckConstraint(
            "subject_kind IN ('api_key', 'user', 'team', 'provider', 'model', 'mcp_server', 'platform')",
            name=op.f("ck_limit_rules_subject_kind"),
        ),
        sa.CheckConstraint(
            "surface IN ('ai_gateway', 'mcp_gateway')", name=op.f("ck_limit_rules_surface")
        ),
        sa.CheckConstraint(
            "window_length IN ('1m', '5m', '1h', '5h', '1d', '1w')",
            name=op.f("ck_limit_rules_window"),
        ),
        sa.CheckConstraint(
            "limit_value BETWEEN 0 AND 9007199254740992", name=op.f("ck_limit_rules_limit_value")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_limit_rules"),
        sa.UniqueConstraint(
            "subject_kind",
            "subject_id",
            "surface",
            "metric",
            "window_length",
            name="uq_limit_rules_target",
        ),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("input_multiplier", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("output_multiplier", sa.Numeric(precision=12, scale=6), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "least(input_multiplier, output_multiplier) >= 0 AND greatest(input_multiplier, output_multiplier) < 'NaN'",
            name=op.f("ck_models_multipliers"),
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 200", name=op.f("ck_models_name_length")),
        sa.PrimaryKeyConstraint("id", name="pk_models"),
    )
    op.create_index(
        "uq_models_name",
        "models",
        ["name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "providers",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=True),
        sa.Column("sealed_credentials", sa.Text(), nullable=True),
        sa.Column("options", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("jsonb_typeof(options) = 'object'", name=op.f("ck_providers_options")),
        sa.CheckConstraint("kind ~ '^[a-z][a-z0-9_]*$'", name=op.f("ck_providers_kind")),
        sa.CheckConstraint(
            "sealed_credentials LIKE 'v1.%'", name=op.f("ck_providers_credentials_sealed")
        ),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 63", name=op.f("ck_providers_name_length")),
        sa.CheckConstraint("revision > 0", name=op.f("ck_providers_revision")),
        sa.PrimaryKeyConstraint("id", name="pk_providers"),
    )
    op.create_index(
        "uq_providers_name",
        "providers",
        ["name"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "settings",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "jsonb_typeof(value) IN ('boolean', 'number', 'string')",
            name=op.f("ck_settings_scalar"),
        ),
        sa.PrimaryKeyConstraint("key", name="pk_settings"),
    )
    op.create_table(
        "teams",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_teams_name_length")),
        sa.PrimaryKeyConstraint("id", name="pk_teams"),
    )
    op.create_index("uq_teams_name", "teams", ["name"], unique=True)
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "email = lower(email) AND email LIKE '%_@_%'", name=op.f("ck_users_email_normal")
        ),
        sa.CheckConstraint(
            "role IN ('super_admin', 'admin', 'team_manager', 'developer', 'viewer')",
            name=op.f("ck_users_role"),
        ),
        sa.CheckConstraint("state IN ('active', 'deactivated')", name=op.f("ck_users_state")),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_index(
        "uq_users_email",
        "users",
        ["email"],
        unique=True,
        postgresql_where=sa.text("deleted_at IS NULL"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("lineage_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("surfaces", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("models", sa.ARRAY(sa.Text()), nullable=True),
        sa.Column("ip_allow", sa.ARRAY(postgresql.CIDR()), nullable=True),
        sa.Column("cost_centre", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inactivity_ms", sa.BigInteger(), nullable=True),
        sa.Column("rotation_period_ms", sa.BigInteger(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("grace_ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "NOT 'console' = ANY (surfaces) OR expires_at IS NOT NULL",
            name=op.f("ck_api_keys_console_expires"),
        ),
        sa.CheckConstraint(
            "cardinality(surfaces) > 0 AND surfaces <@ ARRAY['ai_gateway', 'mcp_gateway', 'console']",
            name=op.f("ck_api_keys_surfaces"),
        ),
        sa.CheckConstraint("jsonb_typeof(tags) = 'object'", name=op.f("ck_api_keys_tags")),
        sa.CheckConstraint(
            "state <> 'active' OR grace_ends_at IS NULL", name=op.f("ck_api_keys_active_no_grace")
        ),
        sa.CheckConstraint(
            "state <> 'rotated' OR grace_ends_at IS NOT NULL",
            name=op.f("ck_api_keys_rotated_grace"),
        ),
        sa.CheckConstraint(
            "state IN ('active', 'rotated', 'revoked')", name=op.f("ck_api_keys_state")
        ),
        sa.CheckConstraint(
            "(parent_id IS NULL) = (lineage_id = id)", name=op.f("ck_api_keys_root_names_lineage")
        ),
        sa.CheckConstraint("cardinality(ip_allow) > 0", name=op.f("ck_api_keys_ip_allow")),
        sa.CheckConstraint("inactivity_ms > 0", name=op.f("ck_api_keys_inactivity")),
        sa.CheckConstraint("length(name) BETWEEN 1 AND 100", name=op.f("ck_api_keys_name_length")),
        sa.CheckConstraint("length(prefix) = 11", name=op.f("ck_api_keys_prefix_length")),
        sa.CheckConstraint(
            "octet_length(secret_hash) = 32", name=op.f("ck_api_keys_hash_is_sha256")
        ),
        sa.CheckConstraint("rotation_period_ms > 0", name=op.f("ck_api_keys_rotation_period")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["users.id"], name="fk_api_keys_owner_id", ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["parent_id", "lineage_id"],
            ["api_keys.id", "api_keys.lineage_id"],
            name="fk_api_keys_parent_lineage",
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("id", "lineage_id", name="uq_api_keys_id_lineage"),
        sa.UniqueConstraint("parent_id", name="uq_api_keys_parent_id"),
        sa.UniqueConstraint("secret_hash", name="uq_api_keys_hash"),
    )
    op.create_index("ix_api_keys_lineage_id", "api_keys", ["lineage_id"], unique=False)
    op.create_index("ix_api_keys_owner_id", "api_keys", ["owner_id"], unique=False)
    op.create_index(
        "uq_api_keys_active_lineage",
        "api_keys",
        ["lineage_id"],
        unique=True,
        postgresql_where=sa.text("state = 'active' AND deleted_at IS NULL"),
    )
    op.create_index(
        "uq_api_keys_active_name",
        "api_keys",
        ["owner_id", "name"],
        unique=True,
        postgresql_where=sa.text("state = 'active' AND deleted_at IS NULL"),
    )
    op.create_table(
        "prices",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("effective_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("input", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("output", sa.Numeric(precision=18, scale=9), nullable=False),
        sa.Column("cache_read", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("cache_write_5m", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("cache_write_1h", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("audio_in", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("reasoning", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.Column("audio_out", sa.Numeric(precision=18, scale=9), nullable=True),
        sa.CheckConstraint(
            "least(input, output, cache_read, cache_write_5m, cache_write_1h, audio_in, reasoning, audio_out) >= 0 AND greatest(input, output, cache_read, cache_write_5m, cache_write_1h, audio_in, reasoning, audio_out) < 'NaN'",
            name=op.f("ck_prices_amounts"),
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_prices_model_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_prices"),
        sa.UniqueConstraint("model_id", "effective_from", name="uq_prices_effective_from"),
    )
    op.create_table(
        "routes",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("provider_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("upstream_model", sa.Text(), nullable=False),
        sa.Column("tier", sa.BigInteger(), nullable=False),
        sa.Column("weight", sa.BigInteger(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "length(upstream_model) BETWEEN 1 AND 200", name=op.f("ck_routes_upstream_model_length")
        ),
        sa.CheckConstraint("tier >= 0 AND weight >= 0", name=op.f("ck_routes_tier_and_weight")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_routes_model_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["provider_id"], ["providers.id"], name="fk_routes_provider_id", ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_routes"),
        sa.UniqueConstraint("model_id", "provider_id", "upstream_model", name="uq_routes_target"),
    )
    op.create_index("ix_routes_provider_id", "routes", ["provider_id"], unique=False)
    op.create_table(
        "team_members",
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("user_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name="fk_team_members_team_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_team_members_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("team_id", "user_id", name="pk_team_members"),
    )
    op.create_index("ix_team_members_user_id", "team_members", ["user_id"], unique=False)
    op.create_table(
        "api_key_teams",
        sa.Column("key_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name="fk_api_key_teams_key_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name="fk_api_key_teams_team_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key_id", "team_id", name="pk_api_key_teams"),
    )
    op.create_index("ix_api_key_teams_team_id", "api_key_teams", ["team_id"], unique=False)


def downgrade() -> None:
    op.drop_table("api_key_teams")
    op.drop_table("team_members")
    op.drop_table("routes")
    op.drop_table("prices")
    op.drop_table("api_keys")
    op.drop_table("users")
    op.drop_table("teams")
    op.drop_table("settings")
    op.drop_table("providers")
    op.drop_table("models")
    op.drop_table("limit_rules")
    op.drop_table("config_revisions")
    op.drop_table("budget_caps")
