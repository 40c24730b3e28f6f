"""Keys by what they are like: for lists, and for the jobs that look after them."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from domain.access.rights import Reach
from domain.identifiers import ApiKeyId, LineageId, TeamId, UserId
from domain.inference.dialect import Surface
from domain.keys.policy import ApiKey

Condition = Literal["active", "rotated", "expired", "inactive", "revoked"]
"""What `ApiKey.condition` returns."""


class KeyFilter(Struct, frozen=True, kw_only=True):
    """Which keys to return: all conditions hold; None leaves one out.

    Attributes:
        reach: which targets may be seen; a key belongs to its owner, to the owner's teams and to
            those of its policy.
        now_ms: the instant at which `condition` is judged, in Unix milliseconds.
        team_id: one of the teams the key belongs to.
        text: part of the name, the prefix or the owner's address, whatever its case.
        expires_before_ms: the key has an expiry before this instant.
        unused_since_ms: the last sign of life, creation included, is before this instant.
        removed: removed keys instead of the others.
    """

    reach: Reach
    now_ms: int
    owner_id: UserId | None = None
    team_id: TeamId | None = None
    condition: Condition | None = None
    surface: Surface | None = None
    text: str | None = None
    expires_before_ms: int | None = None
    unused_since_ms: int | None = None
    removed: bool = False


class OwnedKey(Struct, frozen=True, kw_only=True):
    """A key with the address of its owner, who may be removed."""

    key: ApiKey
    owner_email: str


class ExpiryWarning(Struct, frozen=True, kw_only=True):
    """A key that ends within `days` days; once for each expiry and number of days."""

    key: ApiKey
    days: int


class KeyListing(Protocol):
    """Reads and tends keys without reading all of them."""

    @abstractmethod
    async def page(self, wanted: KeyFilter, *, after: str | None, limit: int) -> Sequence[OwnedKey]:
        """Return up to `limit` keys with an id over `after`, in the order of their ids."""
        ...

    @abstractmethod
    async def count(self, wanted: KeyFilter) -> int:
        """Return how many keys there are."""
        ...

    @abstractmethod
    async def lineage(self, lineage_id: str, *, removed: bool = False) -> Sequence[ApiKey]:
        """Return the keys of a lineage, oldest first: those that were removed, or the others."""
        ...

    @abstractmethod
    async def abandoned(self, now_ms: int, *, slack_ms: int, limit: int) -> Sequence[ApiKey]:
        """Return active keys that went unused for their inactivity limit and `slack_ms` more.

        Left out are those with a predecessor that still works, and those whose secret still waits
        to be collected.
        """
        ...

    @abstractmethod
    async def after_grace(self, now_ms: int, *, limit: int) -> Sequence[ApiKey]:
        """Return rotated keys whose grace period has ended."""
        ...

    @abstractmethod
    async def due_for_rotation(self, now_ms: int, *, limit: int) -> Sequence[ApiKey]:
        """Return active keys that are to be rotated by themselves (see `rotation_due_at_ms`).

        Left out are keys that end before their rotation period does, keys of owners who are not
        active, keys that went unused for their inactivity limit, and those whose secret still waits
        to be collected.
        """
        ...

    @abstractmethod
    async def expiring(
        self, now_ms: int, *, days: Sequence[int], limit: int
    ) -> Sequence[ExpiryWarning]:
        """Return active keys that end within one of `days` (the largest first) from now.

        Each comes with the smallest number that holds, unless it was noted for this expiry by
        `note_warning` with that number or a smaller one, or the key is younger than that.
        """
        ...

    @abstractmethod
    async def note_warning(self, warning: ExpiryWarning) -> None:
        """Remember a warning. Raises `Conflict`: somebody gave it already."""
        ...

    @abstractmethod
    async def end_grace(self, key_id: ApiKeyId) -> bool:
        """Revoke a rotated key alone; False when it is not in that state any more."""
        ...

    @abstractmethod
    async def note_use(self, lineage_id: LineageId, at_ms: int) -> None:
        """Note a sign of life of the active key of a lineage."""
        ...
