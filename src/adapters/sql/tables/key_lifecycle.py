"""What jobs remember about keys: warnings that were given, secrets that wait for their owners."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId


class KeyWarningRow(Base):
    """A warning before the expiry of a key; the primary key is what it is given once for."""

    __tablename__ = "key_warnings"

    lineage_id: Mapped[Id] = mapped_column(
        ForeignKey("api_keys.id", ondelete="CASCADE"), primary_key=True
    )
    expires_at: Mapped[Millis] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(SmallInteger(), primary_key=True)


class KeyHandoverRow(Base):
    """A new secret on its way to the owner; both envelopes are gone once it was taken."""

    __tablename__ = "key_handovers"
    __table_args__ = (
        CheckConstraint("octet_length(token_hash) = 32", name="token_is_sha256"),
        CheckConstraint(
            "num_nonnulls(sealed_token, sealed_secret) = CASE WHEN taken_at IS NULL THEN 2 ELSE 0"
            " END",
            name="secret_until_taken",
        ),
        Index("uq_key_handovers_token", "token_hash", unique=True),
        Index("uq_key_handovers_key", "key_id", unique=True),
        Index("ix_key_handovers_waiting", "id", postgresql_where=text("taken_at IS NULL")),
    )

    id: Mapped[PrimaryId]
    key_id: Mapped[Id] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    sealed_token: Mapped[str | None]
    sealed_secret: Mapped[str | None]
    created_at: Mapped[Millis]
    old_works_until: Mapped[Millis]
    taken_at: Mapped[Millis | None]
