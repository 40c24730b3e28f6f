"""The copy of the audit trail in the log store: a second witness, on another machine."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from domain.records.audit import ChainedEvent, ChainHead


class AuditCopy(Protocol):
    """Rows as they were copied first; whoever changes the trail later cannot change them with it.

    Every method raises `ServiceUnavailable` when the log store does not answer.
    """

    @abstractmethod
    async def head(self) -> ChainHead:
        """Return the highest number and its hash; number 0 for an empty copy."""
        ...

    @abstractmethod
    async def hashes(self, after: int, limit: int) -> Sequence[ChainHead]:
        """Return number and hash of up to `limit` rows with a number over `after`, in order."""
        ...

    @abstractmethod
    async def add(self, rows: Sequence[ChainedEvent]) -> None:
        """Add rows; the same row twice is one row, and one that differs never replaces it."""
        ...
