"""Requests by their idempotency keys. The primary key is what is done once."""

from sqlalchemy import Index, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Millis


class IdempotencyKeyRow(Base):
    """A request; `answer` is null until it has one."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_claimed_at", "claimed_at"),)

    key: Mapped[str] = mapped_column(Text(), primary_key=True)
    operation: Mapped[str] = mapped_column(Text(), primary_key=True)
    digest: Mapped[str] = mapped_column(Text())
    claim_id: Mapped[str] = mapped_column(Text())
    claimed_at: Mapped[Millis]
    answer: Mapped[bytes | None] = mapped_column(LargeBinary())
