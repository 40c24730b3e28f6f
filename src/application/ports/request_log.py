"""Questions about stored request records."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from domain.access.rights import Reach, Target
from domain.identifiers import TeamId, UserId
from domain.records.events import RequestRecord

ARRIVAL_SETTLES_MS = 15_000


class RequestFilter(Struct, frozen=True, kw_only=True):
    """Which records are wanted; None means any. Times are Unix milliseconds, `until` exclusive.

    `within` narrows them to those of the users and teams it covers (see `owner_of`).
    """

    since_ms: int | None = None
    until_ms: int | None = None
    model: str | None = None
    provider: str | None = None
    outcome: str | None = None
    status: int | None = None
    key_id: str | None = None
    user: str | None = None
    request_id: str | None = None
    within: Reach | None = None


def owner_of(record: RequestRecord) -> Target:
    """Return whose a record is: the user's whose key was used, and that of the key's teams."""
    return Target(
        owner_id=UserId(record.user_id) if record.user_id else None,
        team_ids=frozenset(map(TeamId, record.team_ids)),
    )


class Position(Struct, frozen=True):
    """Place of a record in the order of the log: (started_at_ms, event_id)."""

    started_at_ms: int
    event_id: str


class Arrival(Struct, frozen=True, order=True):
    """Place of a record in the order in which records were stored: (stored_at_ms, event_id)."""

    stored_at_ms: int
    event_id: str


class ArrivedRecord(Struct, frozen=True):
    """A record with the moment (Unix ms) it was first stored.

    Requests are stored when they end, so this order differs from that of `started_at_ms`.
    """

    stored_at_ms: int
    record: RequestRecord


class RequestLog(Protocol):
    """Read side of the request records."""

    @abstractmethod
    async def newest(
        self, wanted: RequestFilter, *, limit: int, before: Position | None = None
    ) -> Sequence[RequestRecord]:
        """Return up to `limit` records, newest first, strictly before `before` if given.

        Raises:
            ServiceUnavailable: the store cannot be asked now.
        """
        ...

    @abstractmethod
    async def arrivals(
        self, wanted: RequestFilter, *, limit: int, after: Arrival
    ) -> Sequence[ArrivedRecord]:
        """Return up to `limit` records stored after `after`, in the order they were stored.

        A record whose insert is still running gets its place up to `ARRIVAL_SETTLES_MS` before it
        becomes visible: who follows the log looks back that far and skips what he has seen.

        Raises:
            ServiceUnavailable: the store cannot be asked now.
        """
        ...

    @abstractmethod
    async def find(self, event_id: str) -> RequestRecord | None:
        """Return one record or None. Raises `ServiceUnavailable` like `newest`."""
        ...
