"""Users, teams and memberships."""

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId


class UserRow(Base):
    """A user. Removal sets `deleted_at`; the address is free again from then on."""

    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("email = lower(email) AND email LIKE '%_@_%'", name="email_normal"),
        CheckConstraint("kind IN ('person', 'service')", name="kind"),
        CheckConstraint("length(display_name) BETWEEN 1 AND 100", name="display_name_length"),
        CheckConstraint("state IN ('active', 'deactivated')", name="state"),
        Index("uq_users_email", "email", unique=True, postgresql_where=text("deleted_at IS NULL")),
    )

    id: Mapped[PrimaryId]
    email: Mapped[str]
    role: Mapped[str] = mapped_column(ForeignKey("roles.name", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(server_default="person")
    display_name: Mapped[str | None]
    must_change_password: Mapped[bool] = mapped_column(server_default=text("false"))
    last_sign_in_at: Mapped[Millis | None]
    state: Mapped[str]
    password_hash: Mapped[str | None]
    created_at: Mapped[Millis]
    deleted_at: Mapped[Millis | None]


class TeamRow(Base):
    """A team."""

    __tablename__ = "teams"
    __table_args__ = (
        CheckConstraint("length(name) BETWEEN 1 AND 100", name="name_length"),
        Index("uq_teams_name", "name", unique=True),
    )

    id: Mapped[PrimaryId]
    name: Mapped[str]
    created_at: Mapped[Millis]


class TeamMemberRow(Base):
    """A user's membership in a team; goes with either side."""

    __tablename__ = "team_members"
    __table_args__ = (Index(None, "user_id"),)

    team_id: Mapped[Id] = mapped_column(
        ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[Id] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
