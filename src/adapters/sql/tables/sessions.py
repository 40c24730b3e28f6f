"""Console sessions, second factors, and attempts to sign in."""

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, LargeBinary, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId


class SessionRow(Base):
    """A session; it goes with its user.

    `sso_provider_id` may name a provider that is gone: then there is nothing to sign out from.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        CheckConstraint("octet_length(refresh_hash) = 32", name="refresh_hash_is_sha256"),
        CheckConstraint("method IN ('password', 'sso')", name="method"),
        CheckConstraint("method = 'sso' OR sso_provider_id IS NULL", name="sso"),
        CheckConstraint("sealed_id_token LIKE 'v1.%'", name="id_token_sealed"),
        Index(None, "user_id"),
        Index(None, "expires_at"),
    )

    id: Mapped[PrimaryId]
    user_id: Mapped[Id] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    method: Mapped[str]
    ip: Mapped[str]
    binding: Mapped[str]
    device: Mapped[str]
    user_agent: Mapped[str]
    created_at: Mapped[Millis]
    last_seen_at: Mapped[Millis]
    generation: Mapped[int]
    refresh_hash: Mapped[bytes] = mapped_column(LargeBinary)
    refreshed_at: Mapped[Millis]
    idle_ms: Mapped[int]
    expires_at: Mapped[Millis]
    second_factor: Mapped[bool]
    sso_provider_id: Mapped[Id | None]
    sealed_id_token: Mapped[str | None]


class SecondFactorRow(Base):
    """The authenticator of a user with what is left of the recovery codes."""

    __tablename__ = "second_factors"

    user_id: Mapped[Id] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    sealed_secret: Mapped[str]
    confirmed: Mapped[bool] = mapped_column(server_default=text("false"))
    last_step: Mapped[int]
    recovery_hashes: Mapped[list[bytes]] = mapped_column(ARRAY(LargeBinary))
    created_at: Mapped[Millis]


class SignInAttemptRow(Base):
    """Attempts under one throttle that have not succeeded."""

    __tablename__ = "sign_in_attempts"
    __table_args__ = (Index(None, "last_at"),)

    key: Mapped[str] = mapped_column(Text(), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[Millis]
