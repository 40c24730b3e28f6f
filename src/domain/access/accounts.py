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


class UserKind(StrEnum):
    """Who can own keys: a person, or a program that never signs in."""

    PERSON = "person"
    SERVICE = "service"


SERVICE_DOMAIN = "service.invalid"
"""Domain of the addresses of service accounts: one that no mail can reach (RFC 2606)."""


class User(Struct, frozen=True, kw_only=True):
    """A person or a service account.

    Attributes:
        email: unique and lower-case; use `normal_email` on what people type. That of a service
            account is `<name>@service.invalid`.
        role: name of the base role, built-in or custom.
        display_name: how people call them; None: by the address.
        must_change_password: nothing but a new password is accepted from them.
    """

    id: UserId
    email: str
    role: str
    kind: UserKind = UserKind.PERSON
    state: UserState = UserState.ACTIVE
    team_ids: frozenset[TeamId] = frozenset()
    display_name: str | None = None
    must_change_password: bool = False
    created_at_ms: int
    last_sign_in_at_ms: int | None = None


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
    text = text.strip()
    email = text.lower()
    # The Kelvin sign becomes a `k`: somebody else's address would be taken for this one.
    if not _EMAIL.fullmatch(email) or email.isascii() != text.isascii():
        raise ValueError("expected an e-mail address")
    return email
