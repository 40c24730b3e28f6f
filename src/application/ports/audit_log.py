"""The administrative audit trail (audit.md section 2)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.records.audit import AuditOutcome, ChainedEvent, ChainHead


class AuditFilter(Struct, frozen=True, kw_only=True):
    """Which events to return: all conditions hold; None leaves one out.

    Attributes:
        action: exact, or a prefix that ends in `.`.
        since_ms, until_ms: first instant within, first instant beyond (Unix milliseconds).
        text: part of the actor's or target's name, whatever its case.
    """

    actor_id: str | None = None
    action: str | None = None
    target_kind: str | None = None
    target_id: str | None = None
    outcome: AuditOutcome | None = None
    ip: str | None = None
    request_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    text: str | None = None


class Checkpoint(Struct, frozen=True, kw_only=True):
    """A signed statement: at this instant the chain ended with this event.

    `signature` is Ed25519 over `sequence`, hash and instant (see `signed_text`), by key `key_id`.
    """

    sequence: int
    hash: bytes
    at_ms: int
    key_id: str
    signature: bytes

    def signed_text(self) -> bytes:
        """Return the bytes that are signed."""
        return f"thinkwatch.audit/1 {self.sequence} {self.hash.hex()} {self.at_ms}".encode()


class AuditArchive(Protocol):
    """The trail as it is stored, outside of transactions. Nothing here changes an event."""

    @abstractmethod
    async def head(self) -> ChainHead:
        """Return where the store says that the chain ends."""
        ...

    @abstractmethod
    async def rows(self, after: int, limit: int) -> Sequence[ChainedEvent]:
        """Return up to `limit` rows with a number over `after`, in order."""
        ...

    @abstractmethod
    async def search(
        self, wanted: AuditFilter, *, before: int | None, limit: int
    ) -> Sequence[ChainedEvent]:
        """Return the newest rows first; with `before`, those with a smaller number."""
        ...

    @abstractmethod
    async def count(self, wanted: AuditFilter) -> int:
        """Return how many events there are."""
        ...

    @abstractmethod
    async def checkpoints(
        self, *, after: int | None = None, until: int | None = None
    ) -> Sequence[Checkpoint]:
        """Return the checkpoints of events with a number over `after` and up to `until`, in order.

        None leaves a bound out.
        """
        ...

    @abstractmethod
    async def last_checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint of the highest number."""
        ...

    @abstractmethod
    async def add_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint; one for the same event is replaced by nothing: the first stays."""
        ...


class Signer(Protocol):
    """Signs checkpoints; the key is derived from the installation's key ring."""

    @property
    @abstractmethod
    def key_id(self) -> str:
        """Name of the key that signs now."""
        ...

    @abstractmethod
    def sign(self, content: bytes) -> bytes:
        """Return a signature by the present key."""
        ...

    @abstractmethod
    def verify(self, content: bytes, signature: bytes, key_id: str) -> bool | None:
        """Tell whether the signature is right; None when the key is not in the ring."""
        ...
