"""Identity providers, the identities of users there, and sign-ins under way."""

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId


class SsoProviderRow(Base):
    """An identity provider; `sealed_client_secret` is an envelope, never plaintext.

    `discovered` is what the provider says about itself, null before it was asked.
    """

    __tablename__ = "sso_providers"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 63", name="name_length"),
        CheckConstraint("preset ~ '^[a-z][a-z0-9_]*$'", name="preset"),
        CheckConstraint("sealed_client_secret LIKE 'v1.%'", name="client_secret_sealed"),
        CheckConstraint("state IN ('draft', 'active', 'disabled')", name="state"),
        CheckConstraint(
            "state <> 'active' OR (discovered IS NOT NULL AND tested_at IS NOT NULL)",
            name="active_is_tested",
        ),
        CheckConstraint("least(revision, connection) > 0", name="revision"),
        Index("uq_sso_providers_name", "name", unique=True),
    )

    id: Mapped[PrimaryId]
    name: Mapped[str]
    display_name: Mapped[str]
    preset: Mapped[str]
    issuer: Mapped[str]
    client_id: Mapped[str]
    sealed_client_secret: Mapped[str | None]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    allowed_domains: Mapped[list[str]] = mapped_column(ARRAY(Text()))
    group_claim: Mapped[str | None]
    group_roles: Mapped[dict[str, str]] = mapped_column(JSONB)
    group_teams: Mapped[dict[str, str]] = mapped_column(JSONB)
    default_role: Mapped[str | None]
    provisions: Mapped[bool]
    link_by_email: Mapped[bool]
    ends_session: Mapped[bool]
    state: Mapped[str]
    connection: Mapped[int]
    discovered: Mapped[dict[str, object] | None] = mapped_column(JSONB(none_as_null=True))
    tested_at: Mapped[Millis | None]
    revision: Mapped[int]
    created_at: Mapped[Millis]


class SsoIdentityRow(Base):
    """Who a user is at a provider; goes with either side."""

    __tablename__ = "sso_identities"
    __table_args__ = (
        Index("uq_sso_identities_user", "user_id", "provider_id", "issuer", unique=True),
    )

    provider_id: Mapped[Id] = mapped_column(
        ForeignKey("sso_providers.id", ondelete="CASCADE"), primary_key=True
    )
    issuer: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    linked_at: Mapped[Millis]


class SsoAttemptRow(Base):
    """A sign-in under way, by the hash of its state; taken up at most once."""

    __tablename__ = "sso_attempts"
    __table_args__ = (
        CheckConstraint("purpose IN ('login', 'test', 'link')", name="purpose"),
        CheckConstraint("(purpose = 'login') = (actor_id IS NULL)", name="actor"),
        CheckConstraint("sealed_verifier LIKE 'v1.%'", name="verifier_sealed"),
        Index(None, "expires_at"),
        Index(None, "provider_id"),
        Index(None, "actor_id"),
    )

    state_hash: Mapped[bytes] = mapped_column(LargeBinary(), primary_key=True)
    binding_hash: Mapped[bytes] = mapped_column(LargeBinary())
    nonce: Mapped[str]
    sealed_verifier: Mapped[str]
    provider_id: Mapped[Id] = mapped_column(ForeignKey("sso_providers.id", ondelete="CASCADE"))
    connection: Mapped[int]
    purpose: Mapped[str]
    redirect_uri: Mapped[str]
    return_path: Mapped[str]
    actor_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    expires_at: Mapped[Millis]
