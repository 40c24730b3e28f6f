"""Invitations: whoever has the token may become the user it describes."""

import base64
from hashlib import sha256

from msgspec import Struct

from domain.identifiers import TeamId, UserId
from domain.secret import Secret

LIFETIME_MS = 7 * 24 * 3_600_000
TOKEN_BYTES = 32


class Invite(Struct, frozen=True, kw_only=True):
    """A user that does not exist yet.

    Attributes:
        email: normalised; there is one invitation for an address.
        token_hash: SHA-256 of the token, which is known to the invited person only.
        inviter_id: whose rights bound what the invited gets; None for whoever has the machine.
        expires_at_ms: first instant (Unix milliseconds) at which it is worth nothing.
    """

    id: str
    email: str
    role: str
    team_ids: frozenset[TeamId] = frozenset()
    token_hash: bytes
    inviter_id: UserId | None
    created_at_ms: int
    expires_at_ms: int


def invite_token(dice: bytes) -> Secret:
    """Return the token made of `TOKEN_BYTES` random bytes (RFC 4648 section 5, unpadded)."""
    return Secret("twi-" + base64.urlsafe_b64encode(dice).decode().rstrip("="))


def invite_token_hash(token: Secret) -> bytes:
    """Return what is stored of a token. It is random enough not to need a slow hash."""
    return sha256(token.reveal().encode("utf-8", "surrogatepass")).digest()
