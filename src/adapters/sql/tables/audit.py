"""The audit trail. A trigger refuses every change of its rows; the hash chain finds it anyway."""

from sqlalchemy import BigInteger, CheckConstraint, Computed, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Millis


def _member(path: str) -> Computed:
    return Computed(f"(content::jsonb #>> '{{entry,{path}}}')", persisted=True)


class AuditEventRow(Base):
    """An event. The columns beside the content are made from it by the database."""

    __tablename__ = "audit_events"
    __table_args__ = (
        CheckConstraint("octet_length(hash) = 32", name="hash_is_sha256"),
        CheckConstraint("octet_length(previous_hash) = 32", name="previous_hash_is_sha256"),
        Index(None, "actor_id", "sequence"),
        Index(None, "action", "sequence"),
        Index(None, "target_id", "sequence"),
        Index(None, "at_ms"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    content: Mapped[str]
    previous_hash: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    event_id: Mapped[str | None] = mapped_column(_member("id"))
    at_ms: Mapped[int | None] = mapped_column(
        Computed("((content::jsonb #>> '{entry,at_ms}')::bigint)", persisted=True)
    )
    actor_id: Mapped[str | None] = mapped_column(_member("actor_id"))
    actor_name: Mapped[str | None] = mapped_column(_member("actor_name"))
    action: Mapped[str | None] = mapped_column(_member("action"))
    target_kind: Mapped[str | None] = mapped_column(_member("target,kind"))
    target_id: Mapped[str | None] = mapped_column(_member("target,id"))
    target_name: Mapped[str | None] = mapped_column(_member("target,name"))
    outcome: Mapped[str | None] = mapped_column(_member("outcome"))
    ip: Mapped[str | None] = mapped_column(_member("ip"))
    request_id: Mapped[str | None] = mapped_column(_member("request_id"))


class AuditHeadRow(Base):
    """The end of the chain, in one row whose lock makes writers take turns."""

    __tablename__ = "audit_head"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    sequence: Mapped[int]
    hash: Mapped[bytes] = mapped_column(LargeBinary)


class AuditCheckpointRow(Base):
    """A signed statement of where the chain ended."""

    __tablename__ = "audit_checkpoints"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    at: Mapped[Millis]
    key_id: Mapped[str]
    signature: Mapped[bytes] = mapped_column(LargeBinary)
