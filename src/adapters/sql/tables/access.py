"""Roles and who has them."""

from sqlalchemy import ARRAY, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from adapters.sql.base import Base, Id, Millis, PrimaryId

_NOTHING = text("'{}'")


class RoleRow(Base):
    """A role. Rows of the built-in ones only hold the name: what they allow is in the program."""

    __tablename__ = "roles"
    __table_args__ = (
        CheckConstraint("name ~ '^[a-z][a-z0-9_-]{1,62}$'", name="name_form"),
        CheckConstraint("length(description) <= 500", name="description_length"),
    )

    name: Mapped[str] = mapped_column(primary_key=True)
    description: Mapped[str] = mapped_column(server_default="")
    allow: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_NOTHING)
    deny: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_NOTHING)
    models: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    denied_models: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_NOTHING)
    tools: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    denied_tools: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=_NOTHING)
    builtin: Mapped[bool] = mapped_column(server_default=text("false"))
    created_at: Mapped[Millis]


class RoleAssignmentRow(Base):
    """A role beside the base role: of a user, of all members of a team, or of a user in a team."""

    __tablename__ = "role_assignments"
    __table_args__ = (
        CheckConstraint("num_nonnulls(user_id, team_id) > 0", name="somebody"),
        UniqueConstraint(
            "role",
            "user_id",
            "team_id",
            name="uq_role_assignments_target",
            postgresql_nulls_not_distinct=True,
        ),
        Index(None, "user_id"),
        Index(None, "team_id"),
    )

    id: Mapped[PrimaryId]
    role: Mapped[str] = mapped_column(ForeignKey("roles.name", ondelete="RESTRICT"))
    user_id: Mapped[Id | None] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    team_id: Mapped[Id | None] = mapped_column(ForeignKey("teams.id", ondelete="CASCADE"))
    created_at: Mapped[Millis]
