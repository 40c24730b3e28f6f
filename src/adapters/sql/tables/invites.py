"""Invitations that are open."""

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId


class InviteRow(Base):
    """An invitation. It goes when it is accepted or revoked, and with the inviter."""

    __tablename__ = "invites"
    __table_args__ = (
        CheckConstraint("email = lower(email) AND email LIKE '%_@_%'", name="email_normal"),
        CheckConstraint("octet_length(token_hash) = 32", name="token_hash_is_sha256"),
        UniqueConstraint("email", name="uq_invites_email"),
        UniqueConstraint("token_hash", name="uq_invites_token_hash"),
    )

    id: Mapped[PrimaryId]
    email: Mapped[str]
    role: Mapped[str] = mapped_column(ForeignKey("roles.name", ondelete="RESTRICT"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    inviter_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[Millis]
    expires_at: Mapped[Millis]


class InviteTeamRow(Base):
    """A team that the invited person will be a member of."""

    __tablename__ = "invite_teams"

    invite_id: Mapped[Id] = mapped_column(
        ForeignKey("invites.id", ondelete="CASCADE"), primary_key=True
    )
    team_id: Mapped[Id] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True
    )
