"""Users, their role, and the teams they belong to."""

import re
from enum import StrEnum

from msgspec import Struct

from domain.identifiers import TeamId, UserId

# Deliberately loose (RFC 5321 admits far more than any checker does): one `@`, no white space, a
# dot-free or dotted domain. Whether mail arrives is for mail to find out.
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")


class Role(StrEnum):
    """The built-in roles (console.md section 3)."""

    SUPER_ADMIN = "super_admin"
    ADMIN = "admin"
    TEAM_MANAGER = "team_manager"
    DEVELOPER = "developer"
    VIEWER = "viewer"


class UserState(StrEnum):
    """A deactivated user keeps history and keys, and none of them opens anything."""

    ACTIVE = "active"
    DEACTIVATED = "deactivated"


class User(Struct, frozen=True, kw_only=True):
    """A person. `email` is unique and lower-case; use `normal_email` on what people type."""

    id: UserId
    email: str
    role: Role
    state: UserState = UserState.ACTIVE
    team_ids: frozenset[TeamId] = frozenset()
    created_at_ms: int


class Team(Struct, frozen=True, kw_only=True):
    """A group of users. `name` is unique."""

    id: TeamId
    name: str
    created_at_ms: int


def normal_email(text: str) -> str:
    """Return the address in the form in which it is stored and compared.

    Raises:
        ValueError: not an address.
    """
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise ValueError("expected an e-mail address")
    return email
