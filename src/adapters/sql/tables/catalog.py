"""Providers, models, routes and prices."""

from decimal import Decimal
from typing import Annotated

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    Numeric,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId

_LIVE = text("deleted_at IS NULL")
_NO_ELEMENTS, _NO_MEMBERS, _NO_PRICES = text("'{}'"), text("'{}'::jsonb"), text("'[]'::jsonb")
_EXACT = 2**53 - 1  # the counters of caps are doubles inside Lua (limits.md section 3)
_PRICES = (
    "input, output, cache_read, cache_write_5m, cache_write_1h, audio_in, reasoning, audio_out"
)
UsdPerMillion = Annotated[Decimal, mapped_column(Numeric(18, 9))]
Multiplier = Annotated[Decimal, mapped_column(Numeric(12, 6))]


class ProviderRow(Base):
    """A provider; `sealed_credentials` is an envelope of the `SecretCipher`, never plaintext."""

    __tablename__ = "providers"
    __table_args__ = (
        CheckConstraint("kind ~ '^[a-z][a-z0-9_]*$'", name="kind"),
        CheckConstraint("length(name) BETWEEN 1 AND 63", name="name_length"),
        CheckConstraint("sealed_credentials LIKE 'v1.%'", name="credentials_sealed"),
        CheckConstraint("jsonb_typeof(options) = 'object'", name="options"),
        CheckConstraint("revision > 0", name="revision"),
        Index("uq_providers_name", "name", unique=True, postgresql_where=_LIVE),
    )

    id: Mapped[PrimaryId]
    name: Mapped[str]
    kind: Mapped[str]
    base_url: Mapped[str | None]
    sealed_credentials: Mapped[str | None]
    options: Mapped[dict[str, object]] = mapped_column(JSONB)
    enabled: Mapped[bool]
    revision: Mapped[int]
    created_at: Mapped[Millis]
    deleted_at: Mapped[Millis | None]


class ModelRow(Base):
    """A public model. Removal keeps the row for its price history."""

    __tablename__ = "models"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
        CheckConstraint(
            "least(input_multiplier, output_multiplier) >= 0"
            " AND greatest(input_multiplier, output_multiplier) < 'NaN'",
            name="multipliers",
        ),
        CheckConstraint("max_output_tokens > 0", name="max_output_tokens"),
        CheckConstraint(
            "strategy IN ('weighted', 'latency', 'cost', 'least_busy')", name="strategy"
        ),
        CheckConstraint("affinity IN ('off', 'session', 'prefix')", name="affinity"),
        CheckConstraint("jsonb_typeof(capabilities) = 'object'", name="capabilities"),
        Index("uq_models_name", "name", unique=True, postgresql_where=_LIVE),
    )

    id: Mapped[PrimaryId]
    name: Mapped[str]
    input_multiplier: Mapped[Multiplier]
    output_multiplier: Mapped[Multiplier]
    max_output_tokens: Mapped[int | None]
    enabled: Mapped[bool]
    created_at: Mapped[Millis]
    deleted_at: Mapped[Millis | None]
    strategy: Mapped[str] = mapped_column(Text, server_default="weighted")
    affinity: Mapped[str] = mapped_column(Text, server_default="session")
    fallbacks: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_NO_ELEMENTS)
    capabilities: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=_NO_MEMBERS)


class ModelAliasRow(Base):
    """Another public name of a model."""

    __tablename__ = "model_aliases"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 200", name="name_length"),
        Index(None, "model_id"),
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    model_id: Mapped[Id] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))


class RouteRow(Base):
    """A way to serve a model; a provider with routes cannot be deleted.

    `prices` steer the strategy `cost` and are charged to nobody, so they need no history.
    """

    __tablename__ = "routes"
    __table_args__ = (
        UniqueConstraint("model_id", "provider_id", "upstream_model", name="uq_routes_target"),
        CheckConstraint("length(upstream_model) BETWEEN 1 AND 200", name="upstream_model_length"),
        CheckConstraint("tier >= 0 AND weight >= 0", name="tier_and_weight"),
        CheckConstraint("jsonb_typeof(capabilities) = 'object'", name="capabilities"),
        CheckConstraint("jsonb_typeof(prices) = 'array'", name="prices"),
        CheckConstraint(
            f"least(rpm, tpm, max_in_flight) > 0 AND greatest(rpm, tpm, max_in_flight) <= {_EXACT}",
            name="caps",
        ),
        Index(None, "provider_id"),
    )

    id: Mapped[PrimaryId]
    model_id: Mapped[Id] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    provider_id: Mapped[Id] = mapped_column(ForeignKey("providers.id", ondelete="RESTRICT"))
    upstream_model: Mapped[str]
    tier: Mapped[int]
    weight: Mapped[int]
    enabled: Mapped[bool]
    capabilities: Mapped[dict[str, object]] = mapped_column(JSONB, server_default=_NO_MEMBERS)
    prices: Mapped[list[dict[str, object]]] = mapped_column(JSONB, server_default=_NO_PRICES)
    rpm: Mapped[int | None]
    tpm: Mapped[int | None]
    max_in_flight: Mapped[int | None]


class PriceRow(Base):
    """A price in force from an instant on, USD per million tokens. Rows are never changed."""

    __tablename__ = "prices"
    __table_args__ = (
        UniqueConstraint("model_id", "effective_from", name="uq_prices_effective_from"),
        # PostgreSQL sorts NaN above every number.
        CheckConstraint(f"least({_PRICES}) >= 0 AND greatest({_PRICES}) < 'NaN'", name="amounts"),
    )

    id: Mapped[PrimaryId]
    model_id: Mapped[Id] = mapped_column(ForeignKey("models.id", ondelete="CASCADE"))
    effective_from: Mapped[Millis]
    input: Mapped[UsdPerMillion]
    output: Mapped[UsdPerMillion]
    cache_read: Mapped[UsdPerMillion | None]
    cache_write_5m: Mapped[UsdPerMillion | None]
    cache_write_1h: Mapped[UsdPerMillion | None]
    audio_in: Mapped[UsdPerMillion | None]
    reasoning: Mapped[UsdPerMillion | None]
    audio_out: Mapped[UsdPerMillion | None]
