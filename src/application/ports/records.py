"""The way of a record: journal on local disk -> event bus -> sinks (audit.md section 2)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.records.events import RequestRecord

UNOPENED_SHARE = 10
"""Records of requests that were never opened may take the quota divided by this."""


def unopened_quota(record: RequestRecord, quota_bytes: int) -> int:
    """Return up to how many bytes of never opened requests `record` may be added.

    Requests without a known key stop at half of the share, so that strangers cannot keep the
    refusals of those who are known from being recorded.
    """
    share = quota_bytes // UNOPENED_SHARE
    return share if record.key_id else share // 2


class Journal(Protocol):
    """Append-only local log that survives `kill -9`. Synchronous: one write to the page cache."""

    @abstractmethod
    def open(self, if_abandoned: RequestRecord) -> None:
        """Note that a request was admitted.

        `if_abandoned` becomes its record when the process dies before `close`. Called again for
        the same event, the last one counts; a request that is open already is never refused.

        Raises:
            ServiceUnavailable: the journal's quota is used up or the disk is full.
        """
        ...

    @abstractmethod
    def close(self, record: RequestRecord) -> None:
        """Write the final record of a request, opened before or not. Never raises for quota.

        Anyone can make requests that are refused before they are opened, with no key even. While
        unconfirmed records of those take `UNOPENED_SHARE` of the quota, more are dropped and
        counted. The record of a request that was opened is never dropped.
        """
        ...


class RecordBatch(Struct, frozen=True):
    """Records as newline-delimited JSON, so that nobody on the way has to parse them.

    Attributes:
        batch_id: equal for equal content: the idempotency key of the batch.
        lines: one JSON object per element, without the newline.
    """

    batch_id: str
    lines: tuple[bytes, ...]


class Delivery(Struct, frozen=True):
    """A batch handed to a consumer, with what it takes to acknowledge it.

    Attributes:
        attempts: deliveries of this batch to any consumer, including this one.
        published_ms: when the bus took it, in Unix milliseconds of the bus's clock.
    """

    entry_id: str
    batch: RecordBatch
    attempts: int
    published_ms: int = 0


class Receipt(Struct, frozen=True):
    """Where the bus put a batch.

    `place` grows with every batch of an `epoch`. A new epoch begins whenever the bus may have lost
    batches it had accepted: it was restarted, failed over, or wiped.
    """

    epoch: str
    place: tuple[int, int]


class Confirmation(Struct, frozen=True):
    """Every batch of `epoch` placed before `before` has been acknowledged by every group."""

    epoch: str
    before: tuple[int, int]


class GroupBacklog(Struct, frozen=True, kw_only=True):
    """What one sink does not have.

    Attributes:
        lag_s: for how many seconds its oldest unacknowledged batch has been here; 0 when it has
            everything.
        dead_letters: batches that were set aside for it.
    """

    lag_s: float
    dead_letters: int


class BusBacklog(Struct, frozen=True, kw_only=True):
    """Batches that not every group has acknowledged, and how each group stands."""

    batches: int
    size: int
    groups: dict[str, GroupBacklog]


class EventBus(Protocol):
    """Durable, bounded, at-least-once stream with one consumer group per sink.

    Every method raises `ServiceUnavailable` when the bus cannot be asked now.
    """

    @abstractmethod
    async def publish(self, batch: RecordBatch) -> Receipt:
        """Append a batch.

        Raises:
            ServiceUnavailable: the bus is down or at its bound; try again later.
        """
        ...

    @abstractmethod
    async def confirmed(self) -> Confirmation:
        """Return up to where published batches have reached every sink.

        A publisher keeps its own copy until then, so that even a wiped bus loses nothing.
        """
        ...

    @abstractmethod
    async def receive(self, group: str, *, count: int, wait_ms: int) -> Sequence[Delivery]:
        """Return up to `count` batches for `group`: first those of dead consumers, then new ones."""
        ...

    @abstractmethod
    async def keep(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Tell that these are still being worked on, so that nobody else takes them over."""
        ...

    @abstractmethod
    async def acknowledge(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Mark batches as done for `group`; entries done for all groups are removed."""
        ...

    @abstractmethod
    async def backlog(self) -> BusBacklog:
        """Return what waits. A group that never received is not known."""
        ...

    @abstractmethod
    async def dead_letter(self, group: str, delivery: Delivery, reason: str) -> None:
        """Set `delivery.batch` aside, where an operator can inspect it, and acknowledge the entry.

        The batch may hold fewer lines than were delivered: just those that cannot be stored.
        """
        ...


class Sink(Protocol):
    """Where records end up."""

    @abstractmethod
    async def deliver(self, batches: Sequence[RecordBatch]) -> None:
        """Store batches; storing one twice has the effect of storing it once.

        Raises:
            ServiceUnavailable: cannot be reached or is overloaded; try again later.
            InvalidRequest: it will never take these rows.
        """
        ...
