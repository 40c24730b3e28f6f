"""How the routes of a model are chosen: strategy, affinity, fallbacks, aliases, capabilities, caps.

Revision ID: 0006
Revises: 0005
"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NO_MEMBERS = sa.text("'{}'::jsonb")


def upgrade() -> None:
    # Defaults stay: programs of the version before go on writing rows while replicas are replaced.
    op.add_column(
        "models", sa.Column("strategy", sa.Text(), server_default="weighted", nullable=False)
    )
    op.add_column(
        "models", sa.Column("affinity", sa.Text(), server_default="session", nullable=False)
    )
    op.add_column(
        "models",
        sa.Column("fallbacks", sa.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "models",
        sa.Column("capabilities", postgresql.JSONB(), server_default=_NO_MEMBERS, nullable=False),
    )
    op.create_check_constraint(
        op.f("ck_models_strategy"),
        "models",
        "strategy IN ('weighted', 'latency', 'cost', 'least_busy')",
    )
    op.create_check_constraint(
        op.f("ck_models_affinity"), "models", "affinity IN ('off', 'session', 'prefix')"
    )
    op.create_check_constraint(
        op.f("ck_models_capabilities"), "models", "jsonb_typeof(capabilities) = 'object'"
    )
    op.create_table(
        "model_aliases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("model_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.CheckConstraint(
            "length(name) BETWEEN 1 AND 200", name=op.f("ck_model_aliases_name_length")
        ),
        sa.ForeignKeyConstraint(
            ["model_id"], ["models.id"], name="fk_model_aliases_model_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", name="pk_model_aliases"),
    )
    op.create_index("ix_model_aliases_model_id", "model_aliases", ["model_id"], unique=False)
    op.add_column(
        "routes",
        sa.Column("capabilities", postgresql.JSONB(), server_default=_NO_MEMBERS, nullable=False),
    )
    op.add_column(
        "routes",
        sa.Column(
            "prices", postgresql.JSONB(), server_default=sa.text("'[]'::jsonb"), nullable=False
        ),
    )
    for name in ("rpm", "tpm", "max_in_flight"):
        op.add_column("routes", sa.Column(name, sa.BigInteger(), nullable=True))
    op.create_check_constraint(
        op.f("ck_routes_capabilities"), "routes", "jsonb_typeof(capabilities) = 'object'"
    )
    op.create_check_constraint(op.f("ck_routes_prices"), "routes", "jsonb_typeof(prices) = 'array'")
    op.create_check_constraint(
        op.f("ck_routes_caps"),
        "routes",
        "least(rpm, tpm, max_in_flight) > 0"
        " AND greatest(rpm, tpm, max_in_flight) <= 9007199254740991",
    )


def downgrade() -> None:
    for name in ("ck_routes_caps", "ck_routes_prices", "ck_routes_capabilities"):
        op.drop_constraint(op.f(name), "routes", type_="check")
    for name in ("max_in_flight", "tpm", "rpm", "prices", "capabilities"):
        op.drop_column("routes", name)
    op.drop_table("model_aliases")
    for name in ("ck_models_capabilities", "ck_models_affinity", "ck_models_strategy"):
        op.drop_constraint(op.f(name), "models", type_="check")
    for name in ("capabilities", "fallbacks", "affinity", "strategy"):
        op.drop_column("models", name)
